"""A report on standard output: for a person, or as JSON for a program."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bezoar.core.report import Report


def show(report: "Report", *, where: Path | None, quiet: bool, as_json: bool, profile: bool) -> None:
    """Print a report as asked.

    Parameters
    ----------
    where : the folder with its page, if there is one.
    profile : also print where time and memory went, on standard error beside JSON.
    """
    from bezoar.report import document, terminal

    if as_json:
        typer.echo(document.dump(report))
    elif not quiet:
        from rich.console import Console

        Console().print(terminal.render(report, where=where))
    if profile:
        from rich.console import Console

        Console(stderr=as_json).print(terminal.profile(report.run))
