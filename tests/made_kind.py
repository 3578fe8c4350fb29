"""A kind of work, detectors and an attack from elsewhere, which write down what they did and fail on request."""

import os
import signal
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.detector import Need, Unit
from bezoar.core.threat import Goal, Threat
from bezoar.core.trace import Trace
from bezoar.engine.grids.executor import Ended, work
from bezoar.engine.grids.grid import Grid, make_grid
from bezoar.engine.grids.kinds import Plan, Planned, Task
from bezoar.engine.grids.results import Cell, Measured, Result

INFO = """Metadata-Version: 2.1
Name: made
Version: 1.0
"""
ENTRIES = """[bezoar.kinds]
made = made_kind:Made
[bezoar.detectors]
counted = made_kind:Counted
breaking = made_kind:Breaking
of_models = made_kind:OfModels
[bezoar.attacks]
stealing = made_kind:Stealing
"""


class OddError(Exception):
    """An error that no library raises."""


def install(folder: Path) -> None:
    """Make this module known as an installed package would be: by its metadata in a folder of the search path."""
    info = folder / "made-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(INFO)
    (info / "entry_points.txt").write_text(ENTRIES)


def write_down(what: str) -> None:
    """A line in the file that the environment names, whole even where several processes write."""
    log = os.open(os.environ["MADE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{what}\n".encode())
    os.close(log)


@dataclass(frozen=True)
class Made:
    """Cells that are done at once, or that do what the name of their detector says."""

    def plan(self, grid: Grid) -> Plan:
        cells = [
            Cell(kind="made", attack=a.name, data=d.name, data_digest=d.name, rate=None, seed=seed, detector=t.name)
            for d in grid.data
            for a in grid.attacks
            for seed in grid.seeds
            for t in grid.detectors or ()
        ]
        return Plan(cells=tuple(Planned(cell=cell, code="1") for cell in cells), inputs={d.name: 7 for d in grid.data})

    def run(self, task: Task, inputs: Any) -> Iterator[Result]:
        for key, cell in task.cells.items():
            once = task.folder.parent.parent / f"{cell.row[:8]}-{cell.detector}"
            if cell.detector == "die" or (cell.detector == "die_once" and not once.exists()):
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if cell.detector == "raise":
                raise OddError("it is odd")
            if cell.detector == "sleep":
                time.sleep(0.3)
            if cell.detector == "hang":
                write_down(f"hangs {os.getpid()}")
                time.sleep(600)
            write_down(f"{cell.attack} {cell.seed} {cell.detector}")
            yield Result(
                cell=cell, key=key, status="done", figures={"answer": Measured(value=inputs * (cell.seed + 1), n=1)}
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Ranks rows by their loss, and writes down that it did."""

    scale: float = 1.0

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.LOSSES,)

    def score(self, trace: Trace) -> NDArray[np.float64]:
        write_down(f"counted {trace.data.name}")
        return trace.losses[-1].astype(np.float64) * self.scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaking:
    """Breaks."""

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = ()

    def score(self, trace: Trace) -> NDArray[np.float64]:
        raise ZeroDivisionError("by nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfModels:
    """Scores no rows."""

    unit: ClassVar[Unit] = Unit.MODEL
    needs: ClassVar[tuple[Need, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stealing:
    """An attack that poisons nothing."""

    threat: ClassVar[Threat] = Threat(goal=Goal.BACKDOOR)


@dataclass(frozen=True)
class Inline:
    """Carries rows out in this process, one after the other."""

    name: str = "inline"
    workers: int = 1
    alone: bool = False

    def run(self, tasks: Sequence[Task], inputs: Mapping[str, Any]) -> Generator[Ended]:
        for task in (replace(task, alone=self.alone) for task in tasks):
            yield Ended(task=task, results=work(task, inputs[task.first.data_digest]))


def quick(small: Any, *attacks: Any, detectors: Sequence[Any] = (), **other: Any) -> Grid:
    """A grid on the small set with two epochs."""
    content = {"data": [small], "attacks": list(attacks), "detectors": list(detectors), "recipe": {"epochs": 2}}
    return make_grid({**content, "rates": [0.1], **other}, where="test")


def of_made(*detectors: str, seeds: int = 1, attacks: Sequence[str] = ("a",)) -> Grid:
    """A grid of cells that do what their detector's name says."""
    content = {"kind": "made", "data": ["d"], "attacks": list(attacks), "detectors": list(detectors), "seeds": seeds}
    return make_grid(content, where="test")
