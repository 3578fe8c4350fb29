"""Held-out probabilities made honest, the label noise that they show, and a null for labels that follows from both."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from bezoar.maths.stats import Floats, wilson

ANCHOR_SHARES = (0.5, 0.25, 0.125)
"""Shares of a predicted class's rows, the surest first, that tell wrong labels from ambiguity."""
LEAST_SURE = 0.8
"""Mean probability that the surest rows of a class must have for their contradictions to speak of wrong labels."""
SMALLEST = 0.1
"""Honest rows expected above the most extreme odds, at least."""


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
    logs = log_probabilities.astype(np.float64)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logs / np.exp(log_temperature), axis=1)[rows, labels].mean())

    best = minimize_scalar(loss, bounds=(-1.6, 1.6), method="bounded").x
    return np.asarray(np.exp(log_softmax(logs / np.exp(best), axis=1)))


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
    return np.asarray(np.log(probabilities @ rates + 1e-12) - np.log(probabilities + 1e-12))


def honest_null(odds: Floats, labels: NDArray[np.int64], probabilities: Floats, rates: Floats) -> Floats:
    """(n,) p-values of the rows' own labels if all labels were honest.

    The null distribution is that of the odds when each row draws its label from its calibrated probabilities less the
    share that wrong labels put there: a parametric bootstrap, taken in expectation rather than by drawing. None is
    smaller than :data:`SMALLEST` expected rows: beyond that the calibration is not to be trusted.
    """
    honest = np.maximum(probabilities - probabilities @ rates, 1e-7)
    honest /= honest.sum(axis=1, keepdims=True)
    order = np.argsort(-odds, axis=None, kind="stable")
    tail = np.concatenate([[0.0], np.cumsum(honest.ravel()[order])])
    own = odds[np.arange(len(labels)), labels]
    above = np.searchsorted(-odds.ravel()[order], -own, side="right")
    return np.asarray(np.clip(tail[above], SMALLEST, len(labels)) / len(labels))
