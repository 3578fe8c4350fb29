"""`bezoar bench`: every attack on every set against every detector, measured, kept, shown and compared."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from typer.core import TyperGroup

from bezoar.cli import options
from bezoar.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bezoar.cli.progress import Tell
    from bezoar.engine.grids.driver import Standing
    from bezoar.engine.grids.grid import Grid
    from bezoar.engine.grids.results import Results

PAGE = "index.html"
_MOST_REASONS = 5


class _Bench(TyperGroup):
    """`bezoar bench GRID.yaml` is short for `bezoar bench run GRID.yaml`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Bench,
    help="Measure attacks against detectors. `bezoar bench GRID` is short for `bezoar bench run GRID`.",
    no_args_is_help=True,
)

Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a grid.")]


@app.command("run")
def run(
    context: typer.Context,
    grid: Annotated[Path | None, typer.Argument(metavar="[GRID]", help="A grid as YAML, see the docs.")] = None,
    attacks: Annotated[str | None, typer.Option(metavar="LIST", help="Attacks; none is the untouched control.")] = None,
    detectors: Annotated[
        str | None, typer.Option(metavar="LIST", help="Detectors; audit is the whole audit. All by default.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="LIST", help="Data sets, as `bezoar audit data` takes them.")
    ] = None,
    rates: Annotated[str | None, typer.Option(metavar="LIST", help="Shares of rows that are poisoned.")] = None,
    seeds: Annotated[int | None, typer.Option(metavar="N", min=1, help="Number of seeds.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("bezoar-bench"),
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Rows at a time. Half of the cores by default.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on a Ray cluster: auto or its address.")
    ] = None,
    again_failed: Annotated[bool, typer.Option("--again-failed", help="Try cells again that failed before.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="The results as JSON on standard output.")] = False,
) -> None:
    """Measure every attack on every set against every detector. Stopped, the same command goes on where it was.

    Writes results.jsonl and results.parquet, grid.json, runs.jsonl and a page for people, index.html.
    Exit status: 0 all is measured, 3 some cell failed.
    """
    from bezoar.cli.progress import progress
    from bezoar.engine.grids.driver import run_grid
    from bezoar.engine.grids.results import GRID, RESULTS, RUNS, TABLE

    asked = _grid(
        grid, _flags({"attacks": attacks, "detectors": detectors, "data": data, "rates": rates, "seeds": seeds})
    )
    options.require_apart(out, [data.name for data in asked.data], (GRID, RESULTS, RUNS, TABLE, PAGE))
    with _executor(ray, workers) as executor, progress(quiet or as_json) as tell:
        results = run_grid(
            asked,
            out,
            executor,
            again_failed=again_failed,
            asked=options.asked(context),
            progress=_telling(tell),
        )
    _write(results, out)
    if as_json:
        typer.echo(_dump(results))
    elif not quiet:
        _print(results, out)
    raise typer.Exit(3 if results.ended("failed") else 0)


@app.command("report")
def report(folder: Folder, quiet: Quiet = False) -> None:
    """Write the page and the table of what is measured so far, also while a grid is running."""
    from bezoar.engine.grids.results import read_results

    results = read_results(folder)
    _write(results, folder)
    if not quiet:
        _print(results, folder)


@app.command("compare")
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of a grid: before.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of a grid: after.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page, as HTML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON on standard output.")] = False,
) -> None:
    """Say what got better or worse from A to B beyond noise, and what cannot be compared."""
    from bezoar.core.files import write_text
    from bezoar.engine.grids.results import read_results
    from bezoar.report import compare as comparing
    from bezoar.report import compared

    comparison = comparing.compare(read_results(a), read_results(b))
    if out is not None:
        write_text(out, compared.page(comparison))
    if as_json:
        typer.echo(comparing.dump(comparison))
        return
    from rich.console import Console

    Console().print(compared.terminal(comparison))


def _flags(given: dict[str, Any]) -> dict[str, Any]:
    """Flags as keys of a grid: lists by commas, only what was given."""
    lists = {
        name: [part.strip() for part in text.split(",") if part.strip()]
        for name, text in given.items()
        if isinstance(text, str)
    }
    return lists | {name: value for name, value in given.items() if isinstance(value, int)}


def _grid(path: Path | None, flags: dict[str, Any]) -> "Grid":
    from bezoar.engine.grids.grid import make_grid, read_grid

    if path is not None:
        return read_grid(path, flags)
    for name in ("attacks", "data"):
        if name not in flags:
            raise UsageError(f"Name a grid, or give `--{name}`. See `bezoar bench run --help`.")
    return make_grid(flags, where="options")


def _executor(address: str | None, workers: int | None) -> Any:
    """A context with the executor asked for."""
    import contextlib

    from bezoar.engine.grids.local import Local
    from bezoar.engine.grids.ray import connected

    if address is not None:
        return connected(address, workers=workers)
    return contextlib.nullcontext(Local(workers=workers or max(1, (os.cpu_count() or 1) // 2)))


def _telling(tell: "Tell | None") -> "Callable[[Standing], None]":
    """How far the grid is: one bar on a terminal, else a line a row."""
    import sys

    def standing(now: "Standing") -> None:
        if tell is None:
            return
        if sys.stderr.isatty():
            tell("grid", now.rows / now.of_rows)
        elif now.row is None:
            print(f"{now.of_rows:,} rows to run", file=sys.stderr, flush=True)
        else:
            rate = "" if now.row.rate is None else f" at {now.row.rate:.3g}"
            name = f"{_plain(now.row.attack_label)}{rate} on {_plain(now.row.data)}, seed {now.row.seed}"
            failed = f", {now.failed} cells failed" if now.failed else ""
            left = f", about {_time(now.left)} left" if now.left else ""
            print(f"[{now.rows}/{now.of_rows}] {name}{failed}{left}", file=sys.stderr, flush=True)

    return standing


def _time(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _plain(text: str) -> str:
    from bezoar.data.intake import shown

    return shown(text, 100)


def _write(results: "Results", folder: Path) -> None:
    from bezoar.core.files import write_atomically, write_text
    from bezoar.engine.grids.results import TABLE
    from bezoar.engine.grids.table import write_table
    from bezoar.report.bench import page

    write_atomically(folder / TABLE, lambda stream: write_table(results, stream))
    write_text(folder / PAGE, page(results))


def _print(results: "Results", folder: Path) -> None:
    counts = _counts(results)
    typer.echo(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()))
    failed = results.ended("failed")
    for result in failed[:_MOST_REASONS]:
        where = f"{result.cell.attack_label}, {result.cell.data}, seed {result.cell.seed}, {result.cell.detector_label}"
        typer.echo(f"failed: {_plain(where)}: {_plain(result.reason)}")
    if len(failed) > _MOST_REASONS:
        typer.echo(f"and {len(failed) - _MOST_REASONS:,} more. Try them again with --again-failed.")
    typer.echo(f"Page: {folder / PAGE}")


def _counts(results: "Results") -> dict[str, int]:
    return {
        "cells": len(results.planned),
        "done": len(results.ended("done")),
        "failed": len(results.ended("failed")),
        "not_applicable": len(results.ended("not_applicable")),
        "missing": len(results.missing),
    }


def _dump(results: "Results") -> str:
    from dataclasses import asdict

    known = [asdict(results.results[key]) for key in results.planned if key in results.results]
    return json.dumps({**_counts(results), "results": known}, indent=2, allow_nan=False)
