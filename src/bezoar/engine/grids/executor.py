"""Who carries out the rows of a grid: the protocol, and what every worker does."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bezoar.core.errors import OutputError
from bezoar.engine.grids import kinds
from bezoar.engine.grids.kinds import Task
from bezoar.engine.grids.results import Result, append, read_lines

DONE = "cells.jsonl"
"""In a row's folder: its cells that are done, of which the driver may not know yet."""
DIED = "the worker died twice: killed, most often because the machine ran out of memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A row that came to its end.

    Parameters
    ----------
    results : of its cells; not all of them where `reason` is given.
    reason : why there are no more, or empty.
    """

    task: Task
    results: tuple[Result, ...]
    reason: str = ""


class Executor(Protocol):
    """Carries out rows on workers that may die: a row whose worker died is tried once more."""

    @property
    def name(self) -> str:
        """For the run record."""
        ...

    @property
    def workers(self) -> int:
        """How many rows it carries out at a time."""
        ...

    def run(self, tasks: Sequence[Task], inputs: Mapping[str, Any]) -> Generator[Ended]:
        """Rows as they end, in any order. `inputs` holds what each works on, by ``data_digest``.

        A row whose worker raises ends with that as its reason; only that nothing can be written any more is raised here.
        Closing the generator ends all workers.
        """
        ...


def work(task: Task, inputs: Any) -> tuple[Result, ...]:
    """Carry out a row, in a worker. Each cell is kept in the row's folder as soon as it is done, so none is done twice."""
    done = {result.key: result for result in kept(task)}
    left = {key: cell for key, cell in task.cells.items() if key not in done}
    if left:
        remaining = Task(kind=task.kind, cells=left, folder=task.folder, device=task.device, alone=task.alone)
        for result in kinds.lookup(task.kind).run(remaining, inputs):
            append(task.folder / DONE, [result])
            done[result.key] = result
    return tuple(done.values())


def ended(task: Task, error: BaseException) -> Ended:
    """The end of a row whose worker raised. Raises ``OutputError`` where nothing can be written: that stops the grid."""
    if isinstance(error, OutputError):
        raise error
    return Ended(task=task, results=kept(task), reason=" ".join(f"{type(error).__name__}: {error}".split())[:300])


def kept(task: Task) -> tuple[Result, ...]:
    """The cells of a row that are done according to its folder."""
    return tuple(result for result in read_lines(task.folder / DONE, Result) if result.key in task.cells)
