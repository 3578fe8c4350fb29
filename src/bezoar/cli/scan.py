"""`bezoar scan`: whether model files are safe to load, without loading them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bezoar.learn.modelfiles import Scan


def scan(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Model files, or folders of them.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")
    ] = False,
) -> None:
    """Say of model files whether loading them is safe, and why not. Nothing in them is run.

    Exit status: 0 safe, 1 unsafe, 2 a path cannot be read, 3 something was not analysed, which is never safe.
    """
    from bezoar.learn.modelfiles import Verdict, worst
    from bezoar.learn.modelfiles import scan as scan_path

    scans = [found for path in paths for found in scan_path(path)]
    verdict = worst(scans)
    if as_json:
        typer.echo(json.dumps({"verdict": verdict, "files": [_entry(found) for found in scans]}, indent=2))
    else:
        for found in scans:
            typer.echo(f"{found.verdict.replace('_', ' '):<13} {found.path}  ({found.format})")
            for reason in found.reasons:
                place = f"{reason.where}: " if reason.where else ""
                typer.echo(f"  {reason.code} {reason.severity}: {place}{reason.what}")
        typer.echo(_summary(scans))
    raise typer.Exit({Verdict.SAFE: 0, Verdict.UNSAFE: 1, Verdict.NOT_ANALYSED: 3}[verdict])


def _entry(found: "Scan") -> dict[str, Any]:
    return {
        "path": found.path,
        "format": found.format,
        "verdict": found.verdict,
        "reasons": [{"code": r.code, "severity": r.severity, "where": r.where, "what": r.what} for r in found.reasons],
        "bytes_read": found.bytes_read,
        "sha256": found.sha256,
    }


def _summary(scans: "list[Scan]") -> str:
    from collections import Counter

    counts = Counter(found.verdict for found in scans)
    total = ", ".join(f"{count:,} {verdict.replace('_', ' ')}" for verdict, count in sorted(counts.items()))
    return f"{len(scans):,} files: {total}. `bezoar explain CODE` says what a code means."
