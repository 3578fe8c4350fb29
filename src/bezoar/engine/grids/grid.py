"""What a person asks of a grid: attacks, sets, rates, seeds and detectors, from YAML or from flags."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bezoar.core.errors import InputError, ParameterError, UsageError

_MOST_BYTES = 2**20
_DEEPEST = 10


class Choice(BaseModel):
    """A method or a set by name with the settings that were given.

    Written as ``badnets``, or with settings as ``badnets: {size: 5}`` or ``loans.csv: {label: defaulted}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    settings: Mapping[str, Any] = {}


def _choice(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and len(value) == 1:
        name, settings = next(iter(value.items()))
        if isinstance(name, str) and isinstance(settings, Mapping | None):
            return {"name": name, "settings": settings or {}}
    if isinstance(value, Choice):
        return value
    raise ValueError("must be a name, or a name with its settings such as `badnets: {size: 5}`")


def _counted(value: Any) -> Any:
    """3 means the seeds 0, 1 and 2."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 10_000:
            raise ValueError("must be a number of seeds from 1 to 10,000, or a list of seeds")
        return tuple(range(value))
    return value


Named = Annotated[Choice, BeforeValidator(_choice)]


class Grid(BaseModel):
    """Every attack on every set at every rate and seed, against every detector.

    Parameters
    ----------
    kind : of work; "rows" is poisoned training sets.
    attacks : names, each with hyperparameters if need be. "none" is the untouched control.
    data : what `bezoar audit data` takes, each with the roles of its columns if need be.
    rates : shares of rows that are poisoned, each in (0, 1].
    seeds : numbers, or how many of them.
    detectors : names, each with hyperparameters if need be; all, and the whole audit ("audit"), where None.
    recipe : how networks are trained, such as ``{epochs: 3}``; chosen by the set's size where empty.
    device : "auto", "cpu", "cuda" or "mps".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = "rows"
    attacks: tuple[Named, ...] = Field(min_length=1)
    data: tuple[Named, ...] = Field(min_length=1)
    rates: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.01,), min_length=1)
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], BeforeValidator(_counted)] = Field(
        default=(0,), min_length=1
    )
    detectors: tuple[Named, ...] | None = None
    recipe: Mapping[str, Any] = {}
    device: str = "auto"


def read_grid(path: Path, replaced: Mapping[str, Any] | None = None) -> Grid:
    """The grid in a YAML file, with some of its keys replaced.

    Raises
    ------
    InputError
        It cannot be read, is larger than 1 MiB, or is no YAML.
    ParameterError
        A key that does not exist, or a value that does not fit.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"{path}: {size:,} bytes is over the limit of {_MOST_BYTES:,} for a grid.")
        text = path.read_text(encoding="utf-8")
        _require_plain(path, text)
        content = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys such as `attacks` and `data`. Got {type(content).__name__}.")
    return make_grid({**content, **(replaced or {})}, where=str(path))


def _require_plain(path: Path, text: str) -> None:
    """Raise ``InputError`` for YAML that takes more time or memory than its length: aliases to aliases, deep nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise InputError(f"{path}: YAML aliases are not taken. Write the value out.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise InputError(f"{path}: not a grid: nested more than {_DEEPEST} deep.")


def make_grid(content: Mapping[str, Any], *, where: str) -> Grid:
    """A grid from plain values.

    Parameters
    ----------
    where : what messages begin with, such as the name of a file.

    Raises
    ------
    UsageError
        A key that does not exist.
    ParameterError
        A value that is missing or does not fit.
    """
    for name in content:
        if name not in Grid.model_fields:
            raise UsageError(f"{where}: no key {str(name)[:80]!r}. {nearest(str(name), Grid.model_fields)}")
    try:
        return Grid.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        came = "" if first["type"] == "missing" else f" Got {str(first['input'])[:80]!r}."
        said = first["msg"].removeprefix("Value error, ")
        raise ParameterError(f"{where}: `{place}`: {said[:1].lower()}{said[1:]}.{came}") from error


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """A hint for a person who misspelled a name."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.5) or [other for other in known if name and name in other]
    return f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(known))}."
