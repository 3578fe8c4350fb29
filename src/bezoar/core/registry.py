"""Methods by name: built-in tables and third-party entry points through one :func:`lookup`."""

import importlib
import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from bezoar.core.detector import Unit
from bezoar.core.errors import UnknownNameError

Group = Literal["attacks", "detectors", "mitigations"]
GROUPS: tuple[Group, ...] = ("attacks", "detectors", "mitigations")


def names(group: Group) -> dict[str, str]:
    """Every method of a group with where it lives ("module:attribute"). Imports none of them."""
    return {name: entry.value for name, entry in _entries(group).items()}


def lookup(group: Group, name: str) -> type[Any]:
    """The method's class.

    Raises
    ------
    UnknownNameError
        No such name, two plugins with the same name, or a plugin that does not import.
    """
    entries = _entries(group)
    if name not in entries:
        raise UnknownNameError(f"no {group[:-1]} named {name!r}. There are: {', '.join(sorted(entries))}.")
    try:
        method: type[Any] = entries[name].load()
    except (ImportError, AttributeError) as error:
        raise UnknownNameError(f"{group[:-1]} {name!r} ({entries[name].value}) does not load: {error}.") from error
    return method


def detectors_of(unit: Unit) -> tuple[str, ...]:
    """Names of the detectors that score this unit, in order. One that does not load counts to rows: it shall fail in the open."""

    def scores(name: str) -> bool:
        try:
            return getattr(lookup("detectors", name), "unit", None) is unit
        except UnknownNameError:
            return unit is Unit.ROW

    return tuple(name for name in sorted(names("detectors")) if scores(name))


def _entries(group: Group) -> dict[str, EntryPoint]:
    table: dict[str, str] = importlib.import_module(f"bezoar.{group}").TABLE
    entries = {name: EntryPoint(name, value, f"bezoar.{group}") for name, value in table.items()}
    for entry in _plugins(group, tuple(sys.path)):
        if entry.name in entries and entries[entry.name].value != entry.value:
            raise UnknownNameError(
                f"two {group} are named {entry.name!r}: {entries[entry.name].value} and {entry.value}. "
                "Uninstall or rename one."
            )
        entries[entry.name] = entry
    return entries


@lru_cache(maxsize=len(GROUPS))
def _plugins(group: Group, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Those installed on this path: a search through all packages takes longer than a detector on a few thousand rows."""
    return tuple(entry_points(group=f"bezoar.{group}"))
