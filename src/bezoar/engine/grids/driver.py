"""From a grid to its results: what is missing is measured, what is known is left alone."""

import contextlib
import dataclasses
import fcntl
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bezoar.core.errors import OutputError, UsageError
from bezoar.engine.grids import kinds, results
from bezoar.engine.grids.code import package_code
from bezoar.engine.grids.executor import DONE, Ended, Executor
from bezoar.engine.grids.grid import Grid
from bezoar.engine.grids.kinds import Plan, Task
from bezoar.engine.grids.results import Cell, Result, Results, Run
from bezoar.engine.record import Stopwatch, hardware, versions
from bezoar.engine.settings import Asked
from bezoar.learn.device import resolve

WORK = ".work"
"""Folder for what rows under way need to go on after a stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a grid is.

    Parameters
    ----------
    row : the first cell of the row that ended last; None at the start.
    failed : how many cells of that row failed.
    rows, of_rows : rows that have ended, and all that had to be run.
    left : seconds still to go, by the pace so far; None where nothing is known yet.
    """

    row: Cell | None
    failed: int
    rows: int
    of_rows: int
    left: float | None


def run_grid(
    grid: Grid,
    folder: Path,
    executor: Executor,
    *,
    again_failed: bool = False,
    asked: Asked | None = None,
    progress: Callable[[Standing], None] = lambda standing: None,
) -> Results:
    """Measure the cells of a grid that are not measured yet.

    Stopped at any moment, even by a power cut, it goes on where it was: cells that are done are not done again, and a
    training under way is taken up after its last whole epoch.

    Parameters
    ----------
    folder : where results are kept, see :mod:`bezoar.engine.grids.results`. Made where it is missing.
    again_failed : whether cells that failed before are tried again.
    asked : how a person asked for it, for the run record.
    progress : told at the start, and whenever a row ends.

    Raises
    ------
    UsageError
        Another grid is being run into this folder, or a name does not exist.
    InputError
        A data set that cannot be read.
    OutputError
        The folder cannot be written to, or the disk is full. What is done is kept.
    """
    with _locked(folder):
        plan = kinds.lookup(grid.kind).plan(grid)
        planned = {each.key: each.cell for each in plan.cells}
        results.write_grid(folder, planned)
        known = dict(results.read_results(folder).results)
        for new in (_gathered(folder, planned, known), _written_off(plan, known)):
            if new:
                results.append(folder / results.RESULTS, new)
            known |= {result.key: result for result in new}
        tasks = _tasks(grid, folder, plan, {key for key in known if known[key].status != "failed" or not again_failed})
        if tasks:
            with _recorded(folder, grid, executor, tasks, asked) as run:
                _measure(folder, executor, tasks, plan.inputs, run, progress)
        shutil.rmtree(folder / WORK, ignore_errors=True)
        return results.read_results(folder)


def _measure(
    folder: Path,
    executor: Executor,
    tasks: list[Task],
    inputs: Mapping[str, Any],
    run: str,
    progress: Callable[[Standing], None],
) -> None:
    began = time.perf_counter()
    progress(Standing(row=None, failed=0, rows=0, of_rows=len(tasks), left=None))
    with contextlib.closing(executor.run(tasks, inputs)) as rows:
        for count, ended in enumerate(rows, 1):
            new = [dataclasses.replace(result, run=run) for result in _all(ended)]
            results.append(folder / results.RESULTS, new)
            shutil.rmtree(ended.task.folder, ignore_errors=True)
            spent = time.perf_counter() - began
            progress(
                Standing(
                    row=ended.task.first,
                    failed=sum(result.status == "failed" for result in new),
                    rows=count,
                    of_rows=len(tasks),
                    left=spent / count * (len(tasks) - count),
                )
            )


def _all(ended: Ended) -> list[Result]:
    """A result for every cell of the row: those that the worker did not come to have failed."""
    there = {result.key: result for result in ended.results}
    reason = ended.reason or "the worker gave no result"
    return [
        there.get(key) or Result(cell=cell, key=key, status="failed", reason=reason)
        for key, cell in ended.task.cells.items()
    ]


def _tasks(grid: Grid, folder: Path, plan: Plan, known: Collection[str]) -> list[Task]:
    """Rows with the cells that are still missing."""
    rows: dict[str, dict[str, Cell]] = defaultdict(dict)
    for planned in plan.cells:
        if planned.key not in known:
            rows[planned.cell.row][planned.key] = planned.cell
    return [
        Task(kind=grid.kind, cells=cells, folder=(folder / WORK / row).resolve(), device=grid.device, alone=False)
        for row, cells in rows.items()
    ]


def _gathered(folder: Path, planned: Collection[str], known: Collection[str]) -> list[Result]:
    """The cells that workers had done when the driver ended before it heard of them."""
    return [
        result
        for file in sorted((folder / WORK).glob(f"*/{DONE}"))
        for result in results.read_lines(file, Result)
        if result.key in planned and result.key not in known
    ]


def _written_off(plan: Plan, known: Collection[str]) -> list[Result]:
    """Which cells are not applicable, said before anything runs."""
    return [
        Result(cell=planned.cell, key=planned.key, status="not_applicable", reason=planned.reason)
        for planned in plan.cells
        if planned.reason and planned.key not in known
    ]


@contextlib.contextmanager
def _recorded(folder: Path, grid: Grid, executor: Executor, tasks: list[Task], asked: Asked | None) -> Iterator[str]:
    """Write the run record before anything runs, and again at the end. Gives its identifier."""
    watch = Stopwatch()
    run = Run(
        id=secrets.token_hex(8),
        command=asked.command if asked else "bezoar.engine.grids.driver.run_grid",
        arguments=grid.model_dump(mode="json"),
        started=watch.started.isoformat(timespec="seconds"),
        code=package_code(),
        executor=executor.name,
        workers=executor.workers,
        cells=sum(len(task.cells) for task in tasks),
        seeds=grid.seeds,
        versions=versions(),
        hardware=hardware(resolve(grid.device)),
    )
    results.append(folder / results.RUNS, [run])
    ended = "failed"
    try:
        yield run.id
        ended = "done"
    except KeyboardInterrupt:
        ended = "stopped"
        raise
    finally:
        with contextlib.suppress(OutputError):  # of a full disk, which is what is being told of already
            results.append(folder / results.RUNS, [dataclasses.replace(run, seconds=watch.seconds, ended=ended)])


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other drivers out. The lock is the system's: it ends with the process, however that ends."""
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((folder / ".lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{folder}: another grid is being run into this folder. Wait, or name another.") from error
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written to: {error.strerror or error}.") from error
        yield
