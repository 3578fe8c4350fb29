"""`bezoar demo`: the whole story on a built-in real set, with a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bezoar.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from bezoar.engine.demo import Story


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.")] = Path("bezoar-demo"),
    seed: options.Seed = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Poison 4,000 real digits, train on them, audit, repair, train again: the whole story in about a minute."""
    from rich.console import Console

    from bezoar import report as reporting
    from bezoar.cli.progress import progress
    from bezoar.engine.demo import tell_story
    from bezoar.engine.settings import Settings
    from bezoar.report import terminal

    options.prepare_folder(out, [], reporting.FILES)
    with progress(quiet) as tell:
        story = tell_story(Settings(seed=seed, asked=options.asked(context), progress=tell))
    reporting.write(story.report, out)
    if not quiet:
        console = Console()
        console.print(terminal.render(story.report))
        console.print(_table(story))
        console.print(f"Report: {out / 'index.html'}", style="dim", soft_wrap=True)


def _table(story: "Story") -> "Table":
    from rich import box
    from rich.table import Table

    from bezoar.engine.demo import BACKDOORED_BY, FLIPPED_BY
    from bezoar.report.wording import interval, share

    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title="What was planted, and what came of it", title_justify="left"
    )
    for name in ("", "poisoned", "repaired"):
        table.add_column(name, justify="left" if not name else "right")
    for name, (before, after) in (
        ("Stamped digits called 0 (attack success rate)", story.asr),
        ("Sevens called 1", story.seven_as_one),
        ("Accuracy on clean digits", story.accuracy),
    ):
        table.add_row(name, *(f"{share(i.value)}  ({interval(i.low, i.high)})" for i in (before, after)))
    table.add_section()
    found = story.found
    table.add_row(f"Backdoored rows found, all from {BACKDOORED_BY}", "", "{} of {}".format(*found["backdoor"]))
    table.add_row(f"Flipped labels found, all from {FLIPPED_BY}", "", "{} of {}".format(*found["flips"]))
    table.add_row("Honest rows flagged", "", "{} of {:,}".format(*found["false alarms"]))
    blamed = ", ".join(row.source for row in story.report.sources if row.blamed)
    table.add_row("Sources that the audit blames", "", blamed or "none")
    return table
