"""Poisoned training sets: one training a row, judged by every detector."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.errors import OutputError
from bezoar.core.registry import lookup
from bezoar.engine.audit import audit
from bezoar.engine.grids import planning
from bezoar.engine.grids.figures import flags, missing, proportion, ranking
from bezoar.engine.grids.grid import Grid
from bezoar.engine.grids.kinds import Plan, Task
from bezoar.engine.grids.results import AUDIT, TRAINING, UNTOUCHED, Cell, Measured, Result
from bezoar.engine.parts import FAILURES
from bezoar.engine.settings import Settings
from bezoar.learn.cross_fit import cross_fit
from bezoar.learn.device import one_thread, resolve
from bezoar.learn.fitted import CrossFit
from bezoar.learn.recipe import Recipe


@dataclass(frozen=True, slots=True)
class PoisonedRows:
    """Poison a set, train on it once by cross-fitting, and let every detector rank its rows.

    The audit's own training has the same folds, weights and order as the row's, so it takes it up from the row's checkpoint.
    """

    def plan(self, grid: Grid) -> Plan:
        """Every cell of the grid, see :func:`bezoar.engine.grids.planning.plan`."""
        return planning.plan(grid)

    def run(self, task: Task, inputs: Any) -> Iterator[Result]:
        """Measure the cells of a row. Equal on any number of cores: single arithmetic operations have one thread."""
        began = time.perf_counter()
        try:
            row = _train(task, inputs)
        except OutputError:
            raise
        except FAILURES as error:
            for key, cell in task.cells.items():
                yield Result(cell=cell, key=key, status="failed", reason=_reason(error))
            return
        # The training's own figures first: they are there even if a detector ends the process.
        for key, cell in sorted(task.cells.items(), key=lambda entry: entry[1].detector != TRAINING):
            facts: dict[str, Any] = {"cell": cell, "key": key, "changed": row.changed, "rows": len(inputs)}
            try:
                with _one_core():
                    figures = row.measure(cell)
            except OutputError:
                raise
            except FAILURES as error:
                result = Result(**facts, status="failed", reason=_reason(error), seconds=_since(began))
            else:
                result = Result(**facts, status="done", figures=figures, seconds=_since(began))
            yield result
            began = time.perf_counter()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Row:
    """A set, its poisoned copy, and the models trained on that."""

    task: Task
    clean: Dataset
    poisoned: Poisoned
    fit: CrossFit

    @property
    def changed(self) -> int:
        return int(self.poisoned.changed.sum())

    def measure(self, cell: Cell) -> Mapping[str, Measured]:
        if cell.detector == TRAINING:
            return {"asr": self._asr(), "accuracy": self._accuracy()}
        if cell.detector == AUDIT:
            return self._audit(cell)
        scores = lookup("detectors", cell.detector)(**cell.detector_settings).score(self.fit.trace)
        return ranking(np.asarray(scores, dtype=np.float64), self.poisoned.changed, _stream(cell.seed, "interval"))

    def _asr(self) -> Measured:
        """Stamped rows that are not of the target, each shown to the model that never saw it."""
        trigger, target = self.poisoned.trigger, self.poisoned.target
        if trigger is None or target is None:
            return missing("the attack has no trigger" if self.changed else "nothing is planted")
        others = self.clean.rows_not_of(target)
        answers = self.fit.predict(trigger(self.clean.images[others]), self.fit.trace.fold[others]).argmax(axis=1)
        return proportion(answers == target)

    def _accuracy(self) -> Measured:
        """Untouched rows whose true label the model that never saw them gives."""
        answers = self.fit.trace.held_out.argmax(axis=1)
        return proportion((answers == self.clean.labels)[~self.poisoned.changed])

    def _audit(self, cell: Cell) -> Mapping[str, Measured]:
        settings = Settings(
            seed=cell.seed,
            controls=False,
            recipe=Recipe(**cell.recipe) if cell.recipe else None,
            device=self.task.device,
            checkpoints=self.task.folder,
        )
        rows = audit(self.poisoned.data, settings).rows
        flagged: NDArray[np.bool_] = rows["flagged"].to_numpy(zero_copy_only=False)
        scores: NDArray[np.float64] = rows["score"].to_numpy(zero_copy_only=False).astype(np.float64)
        # A row that was not tested has no score: the least suspicious place is the honest one.
        scores = np.where(np.isfinite(scores), scores, scores[np.isfinite(scores)].min(initial=0.0) - 1)
        changed = self.poisoned.changed
        return {**flags(flagged, changed), **ranking(scores, changed, _stream(cell.seed, "interval"))}


def _train(task: Task, clean: Dataset) -> _Row:
    cell = task.first
    poisoned = planted(cell, clean)
    with _one_core():
        fit = cross_fit(
            poisoned.data,
            # The stream of an audit at this seed, see the class.
            np.random.default_rng(cell.seed).spawn(1)[0],
            recipe=Recipe(**cell.recipe) if cell.recipe else None,
            device=resolve(task.device),
            checkpoints=task.folder / "training",
            one_core=not task.alone,
        )
    return _Row(task=task, clean=clean, poisoned=poisoned, fit=fit)


def planted(cell: Cell, clean: Dataset) -> Poisoned:
    """The set as the cell's attack leaves it; which rows are struck follows from the seed alone."""
    if cell.attack == UNTOUCHED:
        return Poisoned(data=clean, changed=np.zeros(len(clean), dtype=bool))
    settings = dict(cell.attack_settings) | ({} if cell.rate is None else {"rate": cell.rate})
    poisoned: Poisoned = lookup("attacks", cell.attack)(**settings).poison(clean, _stream(cell.seed, "poison"))
    # The name is on every error message; a poisoned set is to be told from the clean one.
    return dataclasses.replace(poisoned, data=dataclasses.replace(poisoned.data, name=f"{clean.name}, {cell.attack}"))


def _stream(seed: int, purpose: str) -> np.random.Generator:
    """A stream of its own for each purpose, apart from those that an audit draws from the seed."""
    return np.random.default_rng([seed, *purpose.encode()])


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    with threadpool_limits(1), one_thread():
        yield


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 3)
