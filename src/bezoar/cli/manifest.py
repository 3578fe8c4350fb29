"""`bezoar manifest`: write down what a data set is, and say later exactly which rows differ."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bezoar.cli.options import Data, Drop, Id, Input, Label, Source, Split

if TYPE_CHECKING:
    from bezoar.data.manifest import Changes

app = typer.Typer(help="Write down what a data set is, and say later exactly which rows differ.", no_args_is_help=True)


@app.command()
def write(
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the manifest.")],
    label: Label = None,
    input_: Input = None,
    source: Source = None,
    id_: Id = None,
    split: Split = None,
    drop: Drop = None,
) -> None:
    """Write the manifest of DATA: its rows, files and sources with their digests, and the Merkle root over all rows.

    Keep the printed root apart from the manifest: it shows whether somebody wrote a new one.
    """
    from bezoar.data import Roles, manifest, read

    roles = Roles(label=label, input=tuple(input_ or ()), source=source, id=id_, split=split, drop=tuple(drop or ()))
    rows = read(data, roles=roles)
    manifest.write_manifest(rows, out, manifest.file_digests(data))
    typer.echo(f"{rows.name}: {len(rows):,} rows, {len(rows.unread):,} unread, root {rows.merkle_root} -> {out}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A manifest.")],
    data: Data,
    root: Annotated[
        str | None, typer.Option("--root", metavar="HEX", help="The Merkle root that the manifest must have.")
    ] = None,
    label: Label = None,
    input_: Input = None,
    source: Source = None,
    id_: Id = None,
    split: Split = None,
    drop: Drop = None,
) -> None:
    """Compare DATA with a manifest, row by row. Name the same columns as when it was written.

    Exit status: 0 the same, 1 it differs, 2 one of them cannot be read or the manifest was edited.
    """
    from bezoar.core.errors import InputError
    from bezoar.data import Roles, manifest, read

    old = manifest.read_manifest(file)
    if root is not None and root.lower() != old.merkle_root:
        raise InputError(f"{file}: has the root {old.merkle_root}, not the one asked for.")
    roles = Roles(label=label, input=tuple(input_ or ()), source=source, id=id_, split=split, drop=tuple(drop or ()))
    new = manifest.describe(read(data, roles=roles), manifest.file_digests(data))
    changes = manifest.compare(old, new)
    for line in _lines(changes):
        typer.echo(line)
    if new.unread != old.unread:
        typer.echo(f"unread: {new.unread:,} rows, {old.unread:,} when the manifest was written")
    if old.classes != new.classes:
        typer.echo("classes: other names or another order")
    if changes or old.classes != new.classes or new.unread > old.unread:
        raise typer.Exit(1)
    kept = "" if old.files == new.files else " (the files themselves differ)"
    typer.echo(f"the same {len(old.rows):,} rows{kept}, root {old.merkle_root}")


def _lines(changes: "Changes") -> list[str]:
    from bezoar.data.intake import shown

    kinds = {
        "added": changes.added,
        "removed": changes.removed,
        "changed": changes.changed,
        "relabelled": changes.relabelled,
        "resourced": changes.resourced,
    }
    lines = [f"{kind}: {shown(row, 500)}" for kind, rows in kinds.items() for row in rows]
    lines += [f"{kind}: {len(rows):,} rows in all" for kind, rows in kinds.items() if rows]
    if changes.reordered:
        lines.append("reordered: rows stand in another order")
    return lines
