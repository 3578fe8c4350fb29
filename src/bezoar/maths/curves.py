"""ROC and precision-recall curves and the areas under them, with bootstrap intervals. Tied rows enter together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bezoar.core.errors import ParameterError
from bezoar.maths.stats import Interval, auroc, average_precision

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Points of a curve in drawing order, and a pointwise band around it.

    Parameters
    ----------
    x, y : (m,) points, one per distinct score and the start.
    grid : (g,) places on the x axis where the band is known.
    low, high : (g,) its ends.
    """

    x: Floats
    y: Floats
    grid: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """How well scores rank the truth: true against false positive rate, precision against recall, and the areas."""

    roc: Curve
    precision_recall: Curve
    auroc: Interval
    ap: Interval


def judge_ranking(
    scores: ArrayLike,
    truth: ArrayLike,
    rng: np.random.Generator,
    *,
    replicates: int = 1000,
    level: float = 0.95,
) -> Ranking:
    """Both curves with bands and both areas with percentile intervals, from one bootstrap.

    True and false rows are resampled apart, so their numbers stay. The ROC is straight across a group of ties, since
    their order is a coin's. Precision at a recall between two points is that of the next one: it is reached only with
    the whole group.

    Parameters
    ----------
    scores : (n,) finite, higher is more suspicious.
    truth : (n,) bool, at least one of each.
    replicates : resamples.
    level : coverage of the intervals, and of the bands at each place, in (0, 1).

    Raises
    ------
    ParameterError
        Scores that are not finite, shapes that differ, or a truth all alike.

    References
    ----------
    Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006, sections 3 and 8 (vertical
    averaging); Davis and Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006; Efron and
    Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    if values.ndim != 1 or values.shape != positive.shape or not np.isfinite(values).all():
        raise ParameterError(f"`scores` and `truth` must be (n,), finite. Got {values.shape} and {positive.shape}.")
    if positive.all() or not positive.any():
        raise ParameterError("`truth` must hold at least one true and one false row.")
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    hits, alarms = positive[order].astype(np.int64), (~positive[order]).astype(np.int64)
    grid = np.linspace(0, 1, 101)
    tprs, precisions = np.empty((replicates, len(grid))), np.empty((replicates, len(grid)))
    areas = np.empty((replicates, 2))
    for i in range(replicates):
        # Resampling rows is drawing how often each occurs: the sorted order serves every replicate.
        fpr, tpr, precision = _points(_counts(hits, rng), _counts(alarms, rng), ends)
        tprs[i] = np.interp(grid, fpr, tpr)
        precisions[i] = precision[np.minimum(np.searchsorted(tpr, grid - 1e-12), len(tpr) - 1)]
        areas[i] = np.trapezoid(tpr, fpr), (np.diff(tpr) * precision[1:]).sum()
    tail = [(1 - level) / 2, (1 + level) / 2]
    fpr, tpr, precision = _points(hits, alarms, ends)
    low, high = np.quantile(areas, tail, axis=0).tolist()
    return Ranking(
        roc=Curve(fpr, tpr, grid, *np.quantile(tprs, tail, axis=0)),
        precision_recall=Curve(tpr, precision, grid, *np.quantile(precisions, tail, axis=0)),
        auroc=Interval(auroc(values, positive), low[0], high[0], len(values)),
        ap=Interval(average_precision(values, positive), low[1], high[1], len(values)),
    )


def _counts(marks: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    rows = np.flatnonzero(marks)
    return np.bincount(rng.choice(rows, len(rows)), minlength=len(marks))


def _points(
    hits: NDArray[np.int64], alarms: NDArray[np.int64], ends: NDArray[np.intp]
) -> tuple[Floats, Floats, Floats]:
    """FPR, TPR and precision after each group of ties, from nothing flagged to everything flagged."""
    found = np.concatenate([[0], np.cumsum(hits)[ends]])
    false = np.concatenate([[0], np.cumsum(alarms)[ends]])
    flagged = found + false
    precision = np.divide(found, flagged, out=np.ones(len(found)), where=flagged > 0)
    if len(precision) > 1:
        # Nothing flagged has no precision; the curve starts at the height of its first point.
        precision[0] = precision[np.argmax(flagged > 0)]
    return false / false[-1], found / found[-1], precision
