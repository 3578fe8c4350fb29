"""Held-out probabilities made honest, the label noise that they show, and a null for labels that follows from both."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array

from bezoar.maths.blocks import blocks, by_blocks
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
_NEAR = 2**13
"""Numbers that stay near the processor from one step to the next."""
_LEAST_HONEST = 1e-7
"""Of the probability of a label, what is left to honest ones at least where wrong ones account for it."""
_ROUNDING = 1e-6
"""By which log odds that should be equal may differ."""
_SPARSE = 0.05
"""Share of class pairs with a rate of their own up to which it pays to add them one at a time."""
_TOGETHER = 8
"""Blocks whose expectations a thread adds up before it hands them over."""
_CELLS_A_LEVEL = 16
"""Of the grid in which odds are placed among levels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibrated:
    """What predictions say once they are honest. Where classes are many, probabilities are made as they are needed.

    Parameters
    ----------
    log_probabilities : (n, k), not calibrated.
    temperature : by which they are divided.
    scale : (n,) log of the sum of the powers of what that leaves.
    likeliest : (n,) class.
    sure : (n,) its probability, in double precision: near 1, single precision has too few numbers to rank rows by.
    """

    log_probabilities: NDArray[Any]
    temperature: float
    scale: Floats
    likeliest: NDArray[np.intp]
    sure: Floats

    @classmethod
    def at(cls, temperature: float, log_probabilities: NDArray[Any]) -> "Calibrated":
        """The softmax of log-probabilities (n, k) over a temperature."""

        def judge(rows: slice) -> tuple[Floats, NDArray[np.intp], Floats]:
            logs = log_probabilities[rows] / log_probabilities.dtype.type(temperature)
            likeliest = log_probabilities[rows].argmax(axis=1)
            top = logs[np.arange(len(logs)), likeliest]
            logs -= top[:, None]
            sums = np.exp(logs, out=logs).sum(axis=1, dtype=np.float64)
            return top + np.log(sums), likeliest, 1 / sums

        parts = zip(*by_blocks(judge, *log_probabilities.shape), strict=True)
        scale, likeliest, sure = map(np.concatenate, parts)
        return cls(
            log_probabilities=log_probabilities, temperature=temperature, scale=scale, likeliest=likeliest, sure=sure
        )

    def of(self, labels: NDArray[np.int64]) -> Floats:
        """(n,) probabilities of one label a row."""
        own = self.log_probabilities[np.arange(len(labels)), labels].astype(np.float64)
        return np.asarray(np.exp(own / self.temperature - self.scale))

    def by_class(self, rows: slice) -> NDArray[Any]:
        """(k, m) probabilities of these rows, in the precision of the predictions."""
        logs = np.ascontiguousarray(self.log_probabilities[rows].T)
        logs = logs / logs.dtype.type(self.temperature)
        logs -= self.scale[rows].astype(logs.dtype)
        return np.asarray(np.exp(logs, out=logs))


def calibrated(log_probabilities: NDArray[Any], labels: NDArray[np.int64]) -> Calibrated:
    """Probabilities at the temperature that makes the labels likeliest.

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
    some -= some.max(axis=1, keepdims=True)
    own_logs = some[np.arange(len(own)), own]
    parts = np.array_split(some, -(-some.size // _NEAR))

    def loss(log_temperature: float) -> float:
        cold = np.exp(-log_temperature)
        sums = np.concatenate([np.exp(part * cold).sum(axis=1) for part in parts])
        return float((np.log(sums) - own_logs * cold).mean())

    best = minimize_scalar(loss, bounds=(-1.6, 1.6), method="bounded").x
    return Calibrated.at(float(np.exp(best)), log_probabilities)


def anchors(likeliest: NDArray[np.intp], sure: Floats, share: float = 0.5) -> NDArray[np.bool_]:
    """(n,) the `share` of each predicted class's rows that the prediction is surest of.

    Parameters
    ----------
    likeliest, sure : (n,) of :class:`Calibrated`.
    """
    chosen = np.zeros(len(likeliest), dtype=bool)
    for rows in _by_class(likeliest):
        chosen[rows[_surest(sure[rows], share)]] = True
    return chosen


def anchor_noise(likeliest: NDArray[np.intp], sure: Floats, labels: NDArray[np.int64], k: int) -> Floats:
    """How often a row that surely looks like class i carries label j instead, (k, k), 0 on the diagonal.

    Wrong labels strike sure rows as often as any; honest ambiguity fades as predictions grow surer. So the rate among
    the surer half counts only as far as the surest quarter and eighth allow (the upper ends of their 95 % intervals),
    and a class whose surest rows are not sure says nothing about wrong labels. Half a pseudo-count of a class's average
    keeps pairs that were never seen above 0, as far as the class has any wrong label.

    Parameters
    ----------
    likeliest, sure : (n,) of :class:`Calibrated`.
    labels : (n,).
    k : classes.

    References
    ----------
    Patrini et al., "Making deep neural networks robust to label noise", CVPR 2017, section 4.1 (anchor points).
    """
    rates = np.zeros((k, k))
    for rows in _by_class(likeliest):
        label = likeliest[rows[0]]
        widest, *inner = (rows[_surest(sure[rows], share)] for share in ANCHOR_SHARES)
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


def _by_class(likeliest: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The rows of each predicted class that has any."""
    # Small whole numbers are sorted in one pass.
    order = np.argsort(likeliest.astype(np.min_scalar_type(likeliest.max(initial=0))), kind="stable")
    sizes = np.bincount(likeliest)
    return [rows for rows in np.split(order, np.cumsum(sizes)[:-1]) if len(rows)]


def _surest(sure: Floats, share: float) -> NDArray[np.bool_]:
    """Which of these are no less than their quantile."""
    place = int(np.ceil((1 - share) * (len(sure) - 1)))
    return np.asarray(sure >= np.partition(sure, place)[place])


@dataclass(frozen=True, slots=True, eq=False)
class _WrongLabels:
    """How probably a row has a label that is wrong: by rates from a look-alike class to a label.

    Parameters
    ----------
    usual : (k,) a rate of each class.
    others : (k, k) what is to be added to that, by label and class.
    """

    usual: Floats
    others: Floats | csr_array

    @classmethod
    def at(cls, rates: Floats) -> "_WrongLabels":
        """By these rates (k, k). Few pairs of a thousand classes have been seen: the others of a class share a rate."""
        usual = np.median(rates, axis=1)
        others = (rates - usual[:, None]).T
        if np.count_nonzero(others) <= _SPARSE * others.size:
            return cls(usual, csr_array(others))
        return cls(np.zeros_like(usual), rates.T)

    def shares(self, probabilities: Floats) -> Floats:
        """(k, m) of the probability of each label, from the probabilities (k, m) of the classes."""
        shares = np.asarray(self.others @ probabilities)
        shares += self.usual @ probabilities
        return shares

    def share_of(self, labels: NDArray[np.int64], probabilities: Floats) -> Floats:
        """(m,) of the probability of one label a row."""
        return np.asarray(self.usual @ probabilities + (self.others[labels] * probabilities.T).sum(axis=1))


def wrong_label_odds(seen: Calibrated, labels: NDArray[np.int64], rates: Floats) -> Floats:
    """Log odds that a row's label is wrong rather than honest, (n,).

    Bayes: wrong labels come from a look-alike class at the anchors' rate, and all labels, wrong ones included, come at
    the calibrated probability.

    Parameters
    ----------
    labels : (n,).
    rates : (k, k) from :func:`anchor_noise`.
    """
    noise = _WrongLabels.at(rates)

    def odds(rows: slice) -> Floats:
        block, own = seen.by_class(rows).astype(np.float64), labels[rows]
        return np.asarray(np.log(_odds(noise.share_of(own, block), block[own, np.arange(len(own))])))

    return np.concatenate(list(by_blocks(odds, *seen.log_probabilities.shape)))


def honest_null(odds: Floats, seen: Calibrated, rates: Floats) -> Floats:
    """(n,) p-values of the rows' own labels if all labels were honest.

    The null distribution is that of the odds when each row draws its label from its calibrated probabilities less the
    share that wrong labels put there: a parametric bootstrap, taken in expectation rather than by drawing. None is
    smaller than :data:`SMALLEST` expected rows: beyond that the calibration is not to be trusted.

    Odds that differ by rounding alone count as equal. Shares of labels are computed in double precision and sums are
    kept in it, all else is in the precision of the predictions.

    Parameters
    ----------
    odds : (n,) from :func:`wrong_label_odds`.
    rates : (k, k) from :func:`anchor_noise`.
    """
    noise = _WrongLabels.at(rates)
    (n, k), precision = seen.log_probabilities.shape, seen.log_probabilities.dtype
    distinct, level = np.unique(np.exp(odds - _ROUNDING).astype(precision), return_inverse=True)
    levels = _Levels.of(distinct)

    def drawn(piece: slice) -> Floats:
        """How many honest rows are expected from each level up to the next, and below the lowest first of all."""
        expected = np.zeros(len(distinct) + 1)
        for rows in blocks(piece, k):
            block = seen.by_class(rows)
            wrong = noise.shares(block.astype(np.float64)).astype(precision)
            places = levels.up_to(_odds(wrong, block).ravel())
            honest = np.maximum(np.subtract(block, wrong, out=wrong), _LEAST_HONEST, out=wrong)
            np.add.at(expected, places, (honest / honest.sum(axis=0, dtype=np.float64)).ravel())
        return expected

    expected = np.zeros(len(distinct) + 1)
    for some in by_blocks(drawn, n, k, together=_TOGETHER):
        expected += some
    above = np.cumsum(expected[:0:-1])[::-1]
    return np.asarray(np.clip(above[level], SMALLEST, len(odds)) / max(1, len(odds)))


def _odds(wrong: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[Any]:
    return np.asarray((wrong + _LEAST) / (probabilities + _LEAST))


@dataclass(frozen=True, slots=True, eq=False)
class _Levels:
    """Rising positive numbers among which others are placed: by a grid, and by bisection where a cell holds a level.

    The cell of a number is its leading bits, which never fall where numbers rise. Such a grid is even in the logarithm,
    near enough, which thus need not be taken.

    Parameters
    ----------
    values : (m,).
    lowest : all bits of the first of them.
    dropped : bits at the end of a number that don't matter for its cell.
    before : (cells,) levels in the cells before this one; -1 where this one holds some.
    """

    values: NDArray[Any]
    lowest: int
    dropped: int
    before: NDArray[np.int32]

    @classmethod
    def of(cls, values: NDArray[Any]) -> "_Levels":
        """Of these numbers (m,), rising."""
        bits = _bits(values) if len(values) else np.zeros(1, dtype=np.int32)
        lowest, span = int(bits[0]), int(bits[-1] - bits[0])
        dropped = max(0, span.bit_length() - (_CELLS_A_LEVEL * len(values)).bit_length())
        held = np.bincount(bits[: len(values)] - lowest >> dropped, minlength=(span >> dropped) + 1)
        return cls(values, lowest, dropped, np.where(held, -1, np.cumsum(held)).astype(np.int32))

    def up_to(self, x: NDArray[Any]) -> NDArray[np.int32]:
        """How many of the levels are at most x, for each (n,)."""
        cells = _bits(x)
        cells -= self.lowest
        cells >>= self.dropped
        found = self.before.take(np.clip(cells, 0, len(self.before) - 1, out=cells))
        doubtful = np.flatnonzero(found < 0)
        found[doubtful] = np.searchsorted(self.values, x[doubtful], side="right")
        return found


def _bits(x: NDArray[Any]) -> NDArray[np.int32]:
    """(n,) of positive numbers in single precision."""
    return x.astype(np.float32).view(np.int32)
