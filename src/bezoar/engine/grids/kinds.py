"""The kinds of work that a grid can hold, and what each must do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from bezoar.core.errors import UnknownNameError
from bezoar.engine.grids import results
from bezoar.engine.grids.grid import Grid, nearest
from bezoar.engine.grids.results import Cell, Result

TABLE = {"rows": "bezoar.engine.grids.rows:PoisonedRows"}
"""Where each kind lives. Packages from elsewhere add theirs by entry points of the group "bezoar.kinds"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A cell that shall be measured, or why it cannot be.

    Parameters
    ----------
    code : version of the code that decides its result, see :mod:`bezoar.engine.grids.code`.
    reason : empty, or why the cell is not applicable.
    """

    cell: Cell
    code: str
    reason: str = ""

    @property
    def key(self) -> str:
        """Content address."""
        return results.key(self.cell, self.code)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """All cells of a grid, and what their rows work on, by digest: it is handed to each worker once or row by row."""

    cells: tuple[Planned, ...]
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A row of a grid, for a worker.

    Parameters
    ----------
    kind : of work.
    cells : those that are still missing, by key.
    folder : where the row keeps what it needs to go on after a stop.
    device : where to compute.
    alone : whether no other row runs beside it on the machine, so that it may use more than one core.
    """

    kind: str
    cells: Mapping[str, Cell]
    folder: Path
    device: str
    alone: bool

    @property
    def first(self) -> Cell:
        """Any of the cells: what it says of its row holds for all."""
        return next(iter(self.cells.values()))


@runtime_checkable
class Kind(Protocol):
    """A kind of work."""

    def plan(self, grid: Grid) -> Plan:
        """The cells of a grid, with those that cannot be measured. Raises ``UsageError`` for names that do not exist."""
        ...

    def run(self, task: Task, inputs: Any) -> Iterator[Result]:
        """Measure the cells of a row, each given as soon as it is done. `inputs` is what the plan holds under its
        ``data_digest``. A cell that fails is a result as well."""
        ...


def lookup(name: str) -> Kind:
    """A kind of work by name.

    Raises
    ------
    UnknownNameError
        There is none, or it does not load.
    """
    entries = {key: EntryPoint(key, value, "bezoar.kinds") for key, value in TABLE.items()}
    entries |= {entry.name: entry for entry in entry_points(group="bezoar.kinds") if entry.name not in TABLE}
    if name not in entries:
        raise UnknownNameError(f"no kind of grid named {name[:80]!r}. {nearest(name, entries)}")
    try:
        kind: Kind = entries[name].load()()
    except (ImportError, AttributeError) as error:
        raise UnknownNameError(f"kind {name!r} ({entries[name].value}) does not load: {error}.") from error
    return kind
