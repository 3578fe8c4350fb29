"""Row scores of every detector on one trace."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bezoar.core.errors import BezoarError
from bezoar.core.registry import lookup, names
from bezoar.core.report import Check, Status
from bezoar.core.trace import Trace
from bezoar.learn.device import side_by_side
from bezoar.maths.stats import Floats

FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BezoarError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a detector, often a stranger's, may raise without stopping an audit; anything more unusual is not hidden."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """(n,) scores by detector, and the detectors that failed with their reasons."""

    by_detector: dict[str, Floats]
    failed: tuple[Check, ...]


def score_rows(trace: Trace, detectors: tuple[str, ...] | None, tell: Callable[[float], None]) -> Scores:
    """Run row detectors by name, all of them where None. One that breaks is recorded and stops no other."""
    chosen = tuple(sorted(names("detectors"))) if detectors is None else detectors
    done = itertools.count(1)

    def score(name: str) -> Floats | Check:
        try:
            method = lookup("detectors", name)
            return _finite(np.asarray(method().score(trace), dtype=np.float64), len(trace.labels))
        except FAILURES as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return Check(name=f"detector {name}", status=Status.FAILED, detail=reason)
        finally:
            tell(next(done) / len(chosen))

    results = dict(zip(chosen, side_by_side(score, chosen), strict=True))
    return Scores(
        by_detector={name: result for name, result in results.items() if not isinstance(result, Check)},
        failed=tuple(result for result in results.values() if isinstance(result, Check)),
    )


def _finite(scores: Floats, n: int) -> Floats:
    if scores.shape != (n,):
        raise ValueError(f"scores must be ({n},), got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    return scores
