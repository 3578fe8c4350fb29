"""Figures of a ranking and of flags against the truth, each with its interval, or why there is none."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bezoar.core.errors import ContractError, ParameterError
from bezoar.engine.grids.results import Measured
from bezoar.maths.curves import judge_ranking
from bezoar.maths.stats import Interval, tpr_at_fpr, wilson


def ranking(
    scores: NDArray[np.float64], changed: NDArray[np.bool_], rng: np.random.Generator
) -> Mapping[str, Measured]:
    """AUROC and average precision with bootstrap intervals, and TPR at an FPR of 1 % with Wilson's.

    Parameters
    ----------
    scores : (n,) higher is more suspicious.
    changed : (n,) rows that are poisoned.

    Raises
    ------
    ContractError
        Scores of another shape, or that are not finite.
    """
    if scores.shape != changed.shape or not np.isfinite(scores).all():
        raise ContractError(f"scores must be {changed.shape} and finite. Got {scores.shape}, or NaN or infinity.")
    if not changed.any() or changed.all():
        gap = missing("no row was changed" if not changed.any() else "every row was changed")
        return {"auroc": gap, "ap": gap, "tpr_at_fpr1": gap}
    both = judge_ranking(scores, changed, rng)
    return {"auroc": _measured(both.auroc), "ap": _measured(both.ap), "tpr_at_fpr1": _at_one_per_cent(scores, changed)}


def flags(flagged: NDArray[np.bool_], changed: NDArray[np.bool_]) -> Mapping[str, Measured]:
    """TPR, FPR and precision of flags, (n,) bool, with Wilson intervals."""
    return {
        "tpr": proportion(flagged[changed], "no row was changed"),
        "fpr": proportion(flagged[~changed], "every row was changed"),
        "precision": proportion(changed[flagged], "no row was flagged"),
    }


def proportion(hits: NDArray[np.bool_], without: str = "no row to count") -> Measured:
    """The share of hits with its Wilson interval; `without` says why there is none."""
    return _measured(wilson(int(hits.sum()), len(hits))) if len(hits) else missing(without)


def missing(reason: str) -> Measured:
    """No figure, and why."""
    return Measured(value=None, reason=reason)


def _at_one_per_cent(scores: NDArray[np.float64], changed: NDArray[np.bool_]) -> Measured:
    try:
        return _measured(tpr_at_fpr(scores, changed, 0.01).tpr)
    except ParameterError:
        return missing(f"{int((~changed).sum())} untouched rows cannot resolve an FPR of 1 %")


def _measured(interval: Interval) -> Measured:
    return Measured(value=interval.value, low=interval.low, high=interval.high, n=interval.n)
