"""`bezoar list`: which methods and finding codes there are."""

import json
from typing import Annotated, Literal

import typer


def listing(
    what: Annotated[
        Literal["attacks", "detectors", "mitigations", "codes"] | None, typer.Argument(help="One kind only.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """List attacks, detectors, mitigations and finding codes, each with a line on what it is."""
    from bezoar.core.codes import CODES
    from bezoar.core.registry import GROUPS, lookup, names

    found: dict[str, dict[str, str]] = {
        group: {name: _first_line(lookup(group, name)) for name in sorted(names(group))}
        for group in GROUPS
        if what in (None, group)
    }
    if what in (None, "codes"):
        found["codes"] = {code.code: code.title for code in CODES.values()}
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for kind, entries in found.items():
        typer.echo(f"{kind}:")
        for name, line in entries.items():
            typer.echo(f"  {name:<24}{line}")


def _first_line(method: type) -> str:
    return (method.__doc__ or "").strip().splitlines()[0] if method.__doc__ else ""
