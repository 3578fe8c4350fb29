"""`bezoar evaluate`: a report against the truth."""

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    report: Annotated[Path, typer.Argument(help="Folder of a report, or its report.json.")],
    truth: Annotated[Path, typer.Option(help="Parquet file with the columns id and changed.")],
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.html. Beside the report by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Compare a report with the truth: TPR, FPR, precision, AUROC and AP with 95 % intervals."""
    import dataclasses

    import numpy as np

    from bezoar.core.files import write_text
    from bezoar.report import document, evaluation

    result = evaluation.evaluate(document.load(report), evaluation.read_truth(truth), np.random.default_rng(seed))
    folder = out or (report if report.is_dir() else report.parent)
    page = write_text(folder / "evaluation.html", evaluation.render(result))
    if as_json:
        figures = {name: dataclasses.asdict(rate) for name, rate in result.figures.items()}
        typer.echo(json.dumps(figures, indent=2, allow_nan=False))
        return
    for name, rate in result.figures.items():
        value, between = evaluation.in_words(name, rate)
        typer.echo(f"{evaluation.TITLES[name]:<20}{value:>9}   95 % interval {between}, n = {rate.n:,}")
    if result.never_read:
        typer.echo(f"{result.never_read:,} rows of the truth were never read by the audit: they count as not flagged.")
    typer.echo(f"Curves: {page}")
