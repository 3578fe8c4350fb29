"""Label noise seen through out-of-fold predictions: the confident joint and what follows from it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from bezoar.maths.blocks import by_blocks
from bezoar.maths.stats import Interval, holm, wilson

Floats = NDArray[np.float64]

_LEAST_LOG_P = -100.0
_ROUNDING = 1e-6
# See `error_log_odds` for both.
_FLIP_WEIGHT = 1.5
_LEAST_OWN = 0.01


def class_thresholds(held_out: NDArray[Any], labels: NDArray[np.int64]) -> Floats:
    """How confident predictions are of a class on average, among the rows that carry its label.

    Parameters
    ----------
    held_out : (n, k) out-of-fold log-probabilities.
    labels : (n,) given labels.

    Returns
    -------
    (k,) probabilities; infinite for a class without rows, which then is nobody's confident guess.

    References
    ----------
    Northcutt, Jiang and Chuang, "Confident learning", JAIR 70, 2021, equation 2.
    """
    k = held_out.shape[1]
    own = np.exp(held_out[np.arange(len(labels)), labels].astype(np.float64))
    counts = np.bincount(labels, minlength=k)
    sums = np.bincount(labels, weights=own, minlength=k)
    return np.asarray(np.divide(sums, counts, out=np.full(k, np.inf), where=counts > 0))


def confident_labels(held_out: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label that predictions are confident of, (n,): the likeliest class at or above its threshold, -1 where none.

    Parameters and reference as :func:`class_thresholds`; equation 1.
    """
    thresholds = class_thresholds(held_out, labels)

    def believed(rows: slice) -> NDArray[np.int64]:
        return _most_confident(np.exp(held_out[rows], dtype=np.float64), thresholds)

    return np.concatenate(list(by_blocks(believed, *held_out.shape)))


def confident_joint(held_out: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts of rows by given label (first axis) and by the label that predictions are confident of (second).

    Rows with no confident label are not counted. Off the diagonal are likely label errors.

    Parameters and reference as :func:`class_thresholds`; equation 1.

    Returns
    -------
    (k, k).
    """
    return _joint(confident_labels(held_out, labels), labels, held_out.shape[1])


def noise_joint(held_out: NDArray[Any], labels: NDArray[np.int64]) -> Floats:
    """Estimated joint distribution of given and true labels: the confident joint, each row scaled to its class's size.

    Parameters and reference as :func:`class_thresholds`; equation 3.

    Returns
    -------
    (k, k), sums to 1. A class of which no row is confidently labelled counts as free of errors.
    """
    counts = confident_joint(held_out, labels).astype(np.float64)
    unseen = counts.sum(axis=1) == 0
    counts[unseen, unseen] = 1.0
    sizes = np.bincount(labels, minlength=len(counts))
    return np.asarray(counts / counts.sum(axis=1, keepdims=True) * (sizes / len(labels))[:, None])


def flip_rate(joint: NDArray[np.int64], given: int, true: int, level: float = 0.95) -> Interval | None:
    """Share of the confidently judged rows labelled `given` that look like `true`, with its Wilson interval.

    Honest confusion of two classes counts as well: compare with the rate the other way, or with a control.

    Parameters
    ----------
    joint : (k, k) from :func:`confident_joint`.

    Returns
    -------
    None where no row labelled `given` was judged.
    """
    judged = int(joint[given].sum())
    return wilson(int(joint[given, true]), judged, level) if judged else None


def one_way_flips(joint: NDArray[np.int64], alpha: float = 0.05) -> Floats:
    """How much more often rows labelled i look like j than the other way about, where chance does not explain it.

    Honest confusion of two classes goes both ways; somebody who turns 7 into 1 leaves rows labelled 1 that look like 7
    and none the other way. Each pair's two counts are compared by an exact binomial test, one-sided, corrected for the
    number of pairs by Holm.

    Parameters
    ----------
    joint : (k, k) from :func:`confident_joint`.
    alpha : chance of any false entry, where all confusion is honest and even.

    Returns
    -------
    (k, k) log odds >= 0, given label first; 0 where there is no evidence.
    """
    both = joint + joint.T
    off = ~np.eye(len(joint), dtype=bool)
    p = np.ones(joint.shape)
    p[off] = holm(binom.sf(joint[off] - 1, both[off], 0.5))
    odds = np.log((joint + 1) / (joint.T + 1))
    return np.asarray(np.where(p <= alpha, np.maximum(odds, 0.0), 0.0), dtype=np.float64)


def error_log_odds(held_out: NDArray[Any], labels: NDArray[np.int64]) -> Floats:
    """Log odds that a row belongs to another class than its label says.

    The log probability of all other classes together less that of the label, which ranks rows as the label's own
    probability does, without rounding. Where :func:`one_way_flips` shows that labels of one class were turned into
    another, that class counts for more by those odds to the power 1.5, and the label's own probability for no less
    than 0.01, so that a row of that kind ranks above an honest oddity that the predictions happen to be very sure of.
    (Both figures are measured: over flips of 5 and 20 % of one class of MNIST
    and Fashion-MNIST they raise the average precision from 0.1-0.4 for plain confidence or margins to 0.8-1.0, and
    change nothing under uniform flips.)

    Parameters
    ----------
    held_out : (n, k) out-of-fold log-probabilities; minus infinity is read as -100.
    labels : (n,) given labels.

    Returns
    -------
    (n,) finite, higher is more suspicious, 0 where there is one class only.
    """
    n, k = held_out.shape
    if k < 2:
        return np.zeros(n)
    thresholds = class_thresholds(held_out, labels)

    def judged(rows: slice) -> tuple[NDArray[np.int64], Floats]:
        probabilities = np.exp(_clipped(held_out[rows]), dtype=np.float64)
        places = np.arange(len(probabilities)), labels[rows]
        own = probabilities[places]
        probabilities[places] = 0.0
        others = np.log(probabilities.sum(axis=1))
        probabilities[places] = own
        return _most_confident(probabilities, thresholds), others

    believed, others = map(np.concatenate, zip(*by_blocks(judged, n, k), strict=True))
    own = _clipped(held_out[np.arange(n), labels]).astype(np.float64)
    flips = _FLIP_WEIGHT * one_way_flips(_joint(believed, labels, k))
    if flips.any():
        turned = np.flatnonzero(np.isin(labels, np.nonzero(flips)[0]))

        def weighted(some: slice) -> Floats:
            given = labels[turned[some]]
            log_p = _clipped(held_out[turned[some]]) + flips[given]
            log_p[np.arange(len(given)), given] = -np.inf
            return np.asarray(np.log(np.exp(log_p, out=log_p).sum(axis=1)))

        others[turned] = np.concatenate(list(by_blocks(weighted, len(turned), k)))
        own = np.logaddexp(own, np.log(_LEAST_OWN))
    return np.asarray(others - own)


def _clipped(log_probabilities: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.clip(log_probabilities, _LEAST_LOG_P, 0.0))


def _most_confident(probabilities: Floats, thresholds: Floats) -> NDArray[np.int64]:
    """(m,) the likeliest class at or above its threshold, -1 where none. The probabilities (m, k) are spent."""
    # The mean of equal numbers can round to above them.
    np.copyto(probabilities, -1.0, where=probabilities < thresholds - _ROUNDING)
    best = probabilities.argmax(axis=1)
    return np.where(probabilities[np.arange(len(best)), best] >= 0, best, -1)


def _joint(believed: NDArray[np.int64], labels: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    counted = believed >= 0
    cells = labels[counted] * k + believed[counted]
    return np.bincount(cells, minlength=k * k).reshape(k, k).astype(np.int64)
