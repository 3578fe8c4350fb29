"""Held-out probabilities made honest, the label noise that they show, and a null for labels that follows from both."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from bezoar.maths.stats import Floats, wilson

ANCHOR_SHARES = (0.5, 0.25, 0.125)
"""Shares of a predicted class's rows, the surest first, that tell wrong labels from ambiguity."""
LEAST_SURE = 0.8
"""Mean probability that the surest rows of a class must have for their contradictions to speak of wrong labels."""
SMALLEST = 0.1
"""Honest rows expected above the most extreme odds, at least."""
_LEAST = 1e-12
"""Added to probabilities whose logarithm is taken."""
_FITTED_ON = 4_000_000
"""Probabilities that a temperature is fitted on, at most: one number needs no more."""
_BLOCK = 2_000_000
"""Odds that are counted at a time: bounds memory where classes are many."""


def calibrated(log_probabilities: NDArray[Any], labels: NDArray[np.int64]) -> Floats:
    """Probabilities (n, k) at the temperature that makes the labels likeliest.

    Parameters
    ----------
    log_probabilities : (n, k), out of fold.
    labels : (n,).

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2 (temperature scaling).
    """
    # Rows at even steps, so that a set in the order of its classes is fitted on all of them.
    step = -(-log_probabilities.size // _FITTED_ON)
    some, own = log_probabilities[::step].astype(np.float64), labels[::step]
    rows = np.arange(len(own))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(some / np.exp(log_temperature), axis=1)[rows, own].mean())

    best = minimize_scalar(loss, bounds=(-1.6, 1.6), method="bounded").x
    return np.asarray(softmax(log_probabilities.astype(np.float64) / np.exp(best), axis=1))


def anchors(probabilities: Floats, share: float = 0.5) -> NDArray[np.bool_]:
    """(n,) the `share` of each predicted class's rows that the prediction is surest of."""
    top, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    chosen = np.zeros(len(top), dtype=bool)
    for label in np.unique(top):
        rows = np.flatnonzero(top == label)
        chosen[rows] = sure[rows] >= np.quantile(sure[rows], 1 - share)
    return chosen


def anchor_noise(probabilities: Floats, labels: NDArray[np.int64]) -> Floats:
    """How often a row that surely looks like class i carries label j instead, (k, k), 0 on the diagonal.

    Wrong labels strike sure rows as often as any; honest ambiguity fades as predictions grow surer. So the rate among
    the surer half counts only as far as the surest quarter and eighth allow (the upper ends of their 95 % intervals),
    and a class whose surest rows are not sure says nothing about wrong labels. Half a pseudo-count of a class's average
    keeps pairs that were never seen above 0, as far as the class has any wrong label.

    References
    ----------
    Patrini et al., "Making deep neural networks robust to label noise", CVPR 2017, section 4.1 (anchor points).
    """
    k = probabilities.shape[1]
    top, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    nested = [anchors(probabilities, share) for share in ANCHOR_SHARES]
    rates = np.zeros((k, k))
    for label in range(k):
        widest, *inner = (np.flatnonzero(chosen & (top == label)) for chosen in nested)
        if len(widest) < 5 or sure[inner[-1]].mean() < LEAST_SURE:
            continue
        counts = np.bincount(labels[widest], minlength=k).astype(np.float64)
        counts[label] = 0
        smoothed = counts + 0.5 * counts.sum() / max(1, k - 1)
        smoothed[label] = 0
        if smoothed.sum():
            bounds = [wilson(int((labels[rows] != label).sum()), len(rows)).high for rows in inner]
            rates[label] = smoothed / smoothed.sum() * min(counts.sum() / len(widest), *bounds)
    return rates


def wrong_label_odds(probabilities: Floats, rates: Floats) -> Floats:
    """Log odds, for each row and each label it could carry, that the label is wrong rather than honest, (n, k).

    Bayes: wrong labels come from a look-alike class at the anchors' rate, and all labels, wrong ones included, come at
    the calibrated probability.
    """
    # Most classes of a large set have no errors to add.
    noisy = rates.any(axis=1)
    wrong = probabilities[:, noisy] @ rates[noisy]
    return np.asarray(np.log(wrong + _LEAST) - np.log(probabilities + _LEAST))


def honest_null(odds: Floats, labels: NDArray[np.int64], probabilities: Floats) -> Floats:
    """(n,) p-values of the rows' own labels if all labels were honest.

    Parameters
    ----------
    odds : (n, k) from :func:`wrong_label_odds`.
    labels : (n,).
    probabilities : (n, k) calibrated.

    The null distribution is that of the odds when each row draws its label from its calibrated probabilities less the
    share that wrong labels put there: a parametric bootstrap, taken in expectation rather than by drawing. None is
    smaller than :data:`SMALLEST` expected rows: beyond that the calibration is not to be trusted.
    """
    n, k = odds.shape
    own = odds[np.arange(n), labels]
    levels = np.unique(own)
    # How many honest rows are expected from each level up to the next, and below the lowest first of all.
    expected = np.zeros(len(levels) + 1)
    rows = max(1, _BLOCK // k)
    for block in (slice(start, start + rows) for start in range(0, n, rows)):
        wrong = np.exp(odds[block]) * (probabilities[block] + _LEAST) - _LEAST
        honest = np.maximum(probabilities[block] - wrong, 1e-7)
        honest /= honest.sum(axis=1, keepdims=True)
        place = np.searchsorted(levels, odds[block].ravel(), side="right")
        expected += np.bincount(place, weights=honest.ravel(), minlength=len(expected))
    above = np.cumsum(expected[:0:-1])[::-1]
    return np.asarray(np.clip(above[np.searchsorted(levels, own)], SMALLEST, n) / n)
