"""Label noise seen through out-of-fold predictions: the confident joint and what follows from it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bezoar.maths.stats import Interval, wilson

Floats = NDArray[np.float64]


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
    probabilities = np.exp(held_out.astype(np.float64))
    confident = probabilities >= class_thresholds(held_out, labels)
    best = np.where(confident, probabilities, -1.0).argmax(axis=1)
    return np.where(confident.any(axis=1), best, -1)


def confident_joint(held_out: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts of rows by given label (first axis) and by the label that predictions are confident of (second).

    Rows with no confident label are not counted. Off the diagonal are likely label errors.

    Parameters and reference as :func:`class_thresholds`; equation 1.

    Returns
    -------
    (k, k).
    """
    k = held_out.shape[1]
    believed = confident_labels(held_out, labels)
    counted = believed >= 0
    cells = labels[counted] * k + believed[counted]
    return np.bincount(cells, minlength=k * k).reshape(k, k).astype(np.int64)


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
