"""Every detector's look at a model."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bezoar.core.attack import Trigger
from bezoar.core.detector import Inspection, Questioned, Unit, only_asks, only_stands_in
from bezoar.core.errors import ModelError
from bezoar.core.registry import detectors_of, lookup
from bezoar.core.report import Check, Status
from bezoar.engine.parts import FAILURES
from bezoar.learn.device import side_by_side
from bezoar.maths.stats import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspections:
    """What each detector says, and which failed with their reasons."""

    by_detector: Mapping[str, Inspection]
    failed: tuple[Check, ...]

    @property
    def scores(self) -> dict[str, Floats]:
        """(k,) by detector."""
        return {name: each.scores for name, each in self.by_detector.items()}

    @property
    def largest(self) -> dict[str, float]:
        """The largest score of any class, by detector."""
        return {name: float(scores.max()) for name, scores in self.scores.items()}

    def triggers(self, target: int) -> dict[str, Trigger]:
        """What was recovered for a class, by detector, the most suspicious detector first."""
        ranked = sorted(self.by_detector, key=lambda name: -self.by_detector[name].scores[target])
        found = {name: self.by_detector[name].triggers for name in ranked}
        return {name: triggers[target] for name, triggers in found.items() if target in triggers}


def looking() -> tuple[str, ...]:
    """Names of the detectors for a model that can be looked into, in order."""
    return tuple(name for name in detectors_of(Unit.MODEL) if not only_stands_in(lookup("detectors", name)))


def asking() -> tuple[str, ...]:
    """Names of the detectors for a model that only predicts, in order."""
    return tuple(name for name in detectors_of(Unit.MODEL) if only_asks(lookup("detectors", name)))


def unfit(detectors: tuple[str, ...]) -> tuple[Check, ...]:
    """That a detector looks into models, and a black box does not let it, for each of these."""
    return tuple(
        Check(
            name=f"detector {name}",
            status=Status.NOT_APPLICABLE,
            detail="Needs the weights and gradients of a network. This model only predicts.",
        )
        for name in detectors
    )


def inspect(
    suspect: Questioned, detectors: tuple[str, ...], rng: np.random.Generator, tell: Callable[[float], None]
) -> Inspections:
    """Run model detectors side by side. One that breaks is recorded and stops no other; ``ModelError`` stops all."""
    done = 0

    def look(job: tuple[str, np.random.Generator]) -> Inspection | Check:
        nonlocal done
        name, own = job
        try:
            return _finite(lookup("detectors", name)().inspect(suspect, own), suspect.model.classes)
        except ModelError:
            raise  # whatever asks the model next would learn no more
        except FAILURES as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return Check(name=f"detector {name}", status=Status.FAILED, detail=reason)
        finally:
            done += 1
            tell(done / len(detectors))

    # A stream for each name: leaving one detector out, or another one that is installed, changes no other.
    drawn = int(rng.integers(2**63))
    streams = {name: np.random.default_rng((drawn, zlib.crc32(name.encode()))) for name in detectors}
    results = dict(zip(detectors, side_by_side(look, streams.items()), strict=True))
    return Inspections(
        by_detector={name: result for name, result in results.items() if isinstance(result, Inspection)},
        failed=tuple(result for result in results.values() if isinstance(result, Check)),
    )


def _finite(inspection: Inspection, classes: int) -> Inspection:
    if inspection.scores.shape != (classes,):
        raise ValueError(f"scores must be ({classes},), got {inspection.scores.shape}")
    if not np.isfinite(inspection.scores).all():
        raise ValueError("scores must be finite")
    return inspection
