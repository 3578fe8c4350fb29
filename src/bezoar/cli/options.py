"""Options that several commands share, the folder for results, and the record of what a person asked for."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bezoar.cli.gate import Gate
from bezoar.core.errors import OutputError, UsageError

if TYPE_CHECKING:
    from bezoar.data import Roles
    from bezoar.engine.settings import Asked

Data = Annotated[str, typer.Argument(metavar="DATA", help="A built-in name (see the docs), a file or a folder.")]
Label = Annotated[str | None, typer.Option("--label", metavar="COLUMN", help="Column with the class of each row.")]
Input = Annotated[
    list[str] | None, typer.Option("--input", metavar="COLUMN", help="Column that a model learns from. Repeatable.")
]
Code = Annotated[
    str | None,
    typer.Option(metavar="MODULE:NAME", help="Your torch network, for a file that holds weights alone. It is run."),
]
TimeLimit = Annotated[
    float, typer.Option(min=1, metavar="SECONDS", help="Longest that a batch of predictions may take.")
]
NullFile = Annotated[
    Path | None, typer.Option("--null", metavar="FILE", help="What detectors say of clean models (`bezoar calibrate`).")
]
ModelDetectors = Annotated[
    str | None, typer.Option("--detectors", metavar="LIST", help="Model detectors to use. All that suit it by default.")
]
Source = Annotated[str | None, typer.Option("--source", metavar="COLUMN", help="Column with each row's supplier.")]
Id = Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Column with a unique name of each row.")]
Split = Annotated[str | None, typer.Option("--split", metavar="NAME", help="Keep only the rows of this split.")]
Drop = Annotated[list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Column to leave out. Repeatable.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same result.")]
FORMATS = "html,json,sarif,junit,md"
Formats = Annotated[str, typer.Option("--format", metavar="LIST", help=f"Which of {FORMATS} to write.")]
FailOn = Annotated[Gate, typer.Option("--fail-on", help="Lowest severity that makes the exit status 1.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Profile = Annotated[bool, typer.Option("--profile", help="Print where time and memory went.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="The report as JSON on standard output, nothing else.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the method. Repeatable.")
]

LONGEST = 200
"""Characters of an argument that are recorded."""


def roles(
    label: str | None,
    input_columns: list[str] | None,
    source: str | None,
    id_column: str | None,
    split: str | None,
    drop: list[str] | None,
) -> "Roles":
    """The roles that a command line names."""
    from bezoar.data import Roles

    return Roles(
        label=label,
        input=tuple(input_columns or ()),
        source=source,
        id=id_column,
        split=split,
        drop=tuple(drop or ()),
    )


def size(name: str, text: str) -> int:
    """Bytes from text such as "2GB", "512 MiB" or "1e9".

    Raises
    ------
    UsageError
        It is no size.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if (
        match is None
        or not 1 <= (value := float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2] or " ")) < 2**63
    ):
        raise UsageError(f"`--{name}` must be a size such as 2GB or 512MiB. Got {text!r}.")
    return int(value)


def asked(context: typer.Context) -> "Asked":
    """What a person typed, and which values they left to the program.

    Passwords in addresses are left out. Long arguments are cut and everything but printable characters is escaped:
    the record is a line for a person to read.
    """
    from click.core import ParameterSource

    from bezoar.engine.settings import Asked

    given: dict[str, object] = {}
    defaults: dict[str, object] = {}
    for name, value in context.params.items():
        typed = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        (given if typed else defaults)[name] = _recorded(value)
    line = ["bezoar", *(_plain(argument) for argument in context.find_root().obj or ())]
    return Asked(command=shlex.join(line), given=given, defaults=defaults)


def _recorded(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_recorded(member) for member in value]
    return value if value is None or isinstance(value, bool | int | float) else _plain(str(value))


def _plain(argument: str) -> str:
    shown = re.sub(r"(?<=://)[^/@]*@", "***@", argument)
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in shown)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."


def require_apart(out: Path, inputs: Sequence[str], replaced: Sequence[str] = ()) -> None:
    """Raise ``UsageError`` where `out` lies in an input, or a file of it that is to be replaced is one: none is written to."""
    for given in inputs:
        if not Path(given).exists():
            continue
        there = Path(given).resolve()
        if there in (out.resolve(), *out.resolve().parents):
            raise UsageError(f"`--out` {out} lies in the data itself, which is never written to. Name another folder.")
        for name in replaced:
            file = (out / name).resolve()
            if there in (file, *file.parents):
                raise UsageError(
                    f"`--out` {out} would replace {given}, which is never written to. Name another folder."
                )


def prepare_folder(out: Path, inputs: Sequence[str], stale: Sequence[str]) -> None:
    """Make sure, before long work, that `out` can be written, is no part of the inputs, and holds no old results.

    Raises
    ------
    UsageError
        `out` lies in an input, or an input is among the old results.
    OutputError
        It cannot be written.
    """
    require_apart(out, inputs, stale)
    try:
        out.mkdir(parents=True, exist_ok=True)
        # What an earlier run left must not pass for a part of this one, should this one be stopped.
        for name in stale:
            for old in (out / name, *out.glob(f".{name}.*.tmp")):
                old.unlink(missing_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{out}: cannot be written to: {error.strerror}.") from error
