"""Grids: how much two Ray workers gain on one, and what a cell costs beside its own work."""

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import programs
from bezoar.engine.grids import kinds
from bezoar.engine.grids.driver import run_grid
from bezoar.engine.grids.executor import Ended, Executor, work
from bezoar.engine.grids.grid import Grid, make_grid
from bezoar.engine.grids.kinds import Plan, Planned, Task
from bezoar.engine.grids.local import Local
from bezoar.engine.grids.ray import connected
from bezoar.engine.grids.results import Cell, Measured, Result, Results

kinds.TABLE["nothing"] = "benchmarks.grids:Nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class RayWorkers:
    """Wall seconds of a grid on one and on two workers of a Ray cluster on this machine, in turn.

    The cluster runs and every worker has done a row before the clock starts: loading libraries is no part of a grid.

    Parameters
    ----------
    rows : of the grid, each one light training.
    repeats : runs on one and on two workers.
    """

    rows: int = 24
    repeats: int = 3

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds, their ratio (medians), and whether results were equal."""
        seconds: dict[int, list[float]] = {1: [], 2: []}
        found: list[dict[str, Any]] = []
        for _ in range(self.repeats):
            for workers in (1, 2):
                with _cluster(workers) as executor, tempfile.TemporaryDirectory() as folder:
                    run_grid(_light(range(10_000, 10_000 + 2 * workers)), Path(folder) / "warm", executor)
                    start = time.perf_counter()
                    results = run_grid(_light(range(seed, seed + self.rows)), Path(folder) / "grid", executor)
                    seconds[workers].append(time.perf_counter() - start)
                    found.append(_figures(results))
        one, two = (statistics.median(seconds[workers]) for workers in (1, 2))
        return {
            "run": programs.record(),
            "seconds_of_each_round": {str(workers): values for workers, values in seconds.items()},
            "figures": {
                "one_worker_seconds": one,
                "two_workers_seconds": two,
                "speedup": one / two,
                "equal": all(each == found[0] for each in found),
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Wall seconds a cell of a grid whose cells do nothing: plan, hand over, keep, gather. In one process, and on a worker.

    Parameters
    ----------
    rows, of_row : rows, and cells in each.
    """

    rows: int = 40
    of_row: int = 10

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds a cell, and whether every cell was done."""
        figures: dict[str, float | bool] = {}
        executors: dict[str, Executor] = {"inline": _Inline(), "local": Local(workers=1)}
        for name, executor in executors.items():
            content = {"kind": "nothing", "attacks": ["a"], "data": ["d"], "seeds": self.rows}
            content["detectors"] = [f"d{i}" for i in range(self.of_row)]
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                results = run_grid(make_grid(content, where="benchmark"), Path(folder), executor)
                figures[f"{name}_seconds"] = (time.perf_counter() - start) / (self.rows * self.of_row)
                figures[f"{name}_done"] = len(results.ended("done")) == self.rows * self.of_row
        return {"run": programs.record(), "figures": figures}


@dataclass(frozen=True)
class Nothing:
    """A kind of work that is done at once."""

    def plan(self, grid: Grid) -> Plan:
        """A cell for each seed and detector."""
        cells = [
            Cell(kind="nothing", attack="a", data="d", data_digest="d", rate=None, seed=seed, detector=detector.name)
            for seed in grid.seeds
            for detector in grid.detectors or ()
        ]
        # The input is of this module, so that a worker imports it and knows this kind.
        return Plan(cells=tuple(Planned(cell=cell, code="") for cell in cells), inputs={"d": Nothing()})

    def run(self, task: Task, inputs: Any) -> Iterator[Result]:
        """Every cell has the figure 0.5."""
        for key, cell in task.cells.items():
            yield Result(cell=cell, key=key, status="done", figures={"auroc": Measured(value=0.5, n=1)})


@dataclass(frozen=True)
class _Inline:
    name: str = "inline"
    workers: int = 1

    def run(self, tasks: Sequence[Task], inputs: Mapping[str, Any]) -> Generator[Ended]:
        for task in tasks:
            yield Ended(task=task, results=work(task, inputs[task.first.data_digest]))


@contextlib.contextmanager
def _cluster(workers: int) -> Iterator[Executor]:
    # A cluster that is there already would have cores of its own.
    os.environ.pop("RAY_ADDRESS", None)
    with connected("auto", workers=workers) as executor:
        if executor.workers != workers:
            raise RuntimeError(f"a Ray cluster of {executor.workers} cores runs on this machine. Stop it first.")
        yield executor


def _light(seeds: range) -> Grid:
    content = {"data": ["digits"], "attacks": ["badnets"], "rates": [0.05], "seeds": list(seeds)}
    return make_grid({**content, "detectors": ["spectral_signatures"], "recipe": {"epochs": 8}}, where="benchmark")


def _figures(results: Results) -> dict[str, Any]:
    return {result.cell.identity: dict(result.figures) for result in results.results.values()}
