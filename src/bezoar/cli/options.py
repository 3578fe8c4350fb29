"""Options that several commands share: how a data set is to be read."""

from typing import Annotated

import typer

Data = Annotated[str, typer.Argument(metavar="DATA", help="A built-in name (see the docs), a file or a folder.")]
Label = Annotated[str | None, typer.Option("--label", metavar="COLUMN", help="Column with the class of each row.")]
Input = Annotated[
    list[str] | None, typer.Option("--input", metavar="COLUMN", help="Column that a model learns from. Repeatable.")
]
Source = Annotated[str | None, typer.Option("--source", metavar="COLUMN", help="Column with each row's supplier.")]
Id = Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Column with a unique name of each row.")]
Split = Annotated[str | None, typer.Option("--split", metavar="NAME", help="Keep only the rows of this split.")]
Drop = Annotated[list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Column to leave out. Repeatable.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same result.")]
