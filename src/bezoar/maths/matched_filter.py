"""A repeated pattern among natural images: the filter that sees it best, and the rows that carry it.

Natural images vary along few directions; a stamped pattern does not follow them. After whitening with the
covariance of ordinary rows the mean of the stamped rows is the optimal linear filter (the matched filter in
coloured noise; Kay, Fundamentals of Statistical Signal Processing II, 1998, section 4.4).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.blas import ssyrk

from bezoar.maths.stats import Floats

MOST_ROWS = 20_000
"""Rows that a covariance is estimated from; more change its value by less than its ridge does."""
_BLOCK = 512
"""Rows that are held as floating-point numbers at a time."""


class Rows(Protocol):
    """Flattened inputs of any type of number: an array (n, d), or whatever makes rows when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: "slice | NDArray[np.intp]", /) -> NDArray[Any]:
        """(m, d) of these rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """How ordinary rows vary.

    Parameters
    ----------
    rows : n flattened inputs.
    mean : (d,) float32, of ordinary rows.
    factor : lower Cholesky factor of their covariance with a ridge, (d, d) float32.
    """

    rows: Rows
    mean: NDArray[np.float32]
    factor: NDArray[np.float32]

    def scores(self, suspects: NDArray[np.intp]) -> Floats:
        """(n,) response of every row to the filter made from `suspects`, higher is more like them."""
        signal = _mean(self.rows, suspects) - self.mean
        weights = scipy.linalg.cho_solve((self.factor, True), signal, check_finite=False)
        parts = [_numbers(self.rows[some]) @ weights for some in _blocks(len(self.rows))]
        return np.concatenate(parts).astype(np.float64) - float(self.mean @ weights)

    def only(self, rows: NDArray[np.intp]) -> "Background":
        """The same variation over these rows alone, which are renumbered from 0 and held as they are."""
        return Background(rows=self.rows[rows], mean=self.mean, factor=self.factor)


def background(inputs: Rows, *, ridge: float = 1e-2) -> Background:
    """Estimate how rows (n, d) vary. `ridge` is a share of the mean variance that is added to each direction."""
    sample = np.arange(0, len(inputs), -(-len(inputs) // MOST_ROWS))
    mean = _mean(inputs, sample)
    covariance = np.zeros((len(mean), len(mean)), dtype=np.float32, order="F")
    for some in _blocks(len(sample)):
        centred = _numbers(inputs[sample[some]]) - mean
        # Only the lower half is filled, and in place: a product would take as much memory again.
        covariance = ssyrk(1 / len(sample), centred.T, beta=1, c=covariance, lower=True, overwrite_c=True)
    variance = float(np.trace(covariance)) / len(covariance)
    covariance[np.diag_indices_from(covariance)] += ridge * variance + np.finfo(np.float32).tiny
    factor = scipy.linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    return Background(rows=inputs, mean=mean, factor=factor)


def _mean(inputs: Rows, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """(d,) mean of these rows."""
    total = sum(inputs[rows[some]].sum(axis=0, dtype=np.float64) for some in _blocks(len(rows)))
    return (np.asarray(total) / len(rows)).astype(np.float32)


def _numbers(rows: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(rows, dtype=np.float32)


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """Rows of a class that carry one pattern.

    Parameters
    ----------
    rows : indices of the matched rows.
    scores : (n,) response of every row of the set.
    threshold : matched rows score above it.
    replication : share of matched rows that a filter made from the other half of them finds too.
    """

    rows: NDArray[np.intp]
    scores: Floats
    threshold: float
    replication: float


def match(
    ground: Background,
    candidates: NDArray[np.bool_],
    start: NDArray[np.intp],
    half: NDArray[np.bool_],
    *,
    steps: int = 15,
    quantile: float = 0.999,
) -> Match | None:
    """Let a filter and the rows that it finds sharpen each other until they agree.

    Parameters
    ----------
    ground : how ordinary rows vary.
    candidates : (n,) bool, rows that may carry the pattern. All others are the null.
    start : indices of the first suspects among them.
    half : (n,) bool, a split into halves at random, for the replication.
    quantile : of the null, below which no row is matched.

    Returns
    -------
    The match, or None where fewer than five rows remain, or where there is nothing to start from or no null.
    """
    if not len(start) or candidates.all():
        return None
    rows = start
    for _ in range(steps):
        scores = ground.scores(rows)
        threshold = _threshold(scores[~candidates], scores[rows], quantile)
        found = np.flatnonzero(candidates & (scores > threshold))
        if len(found) < 5:
            return None
        if np.array_equal(found, rows):
            break
        rows = found
    replication = _replication(ground, candidates, rows, half, quantile)
    return Match(rows=rows, scores=scores, threshold=threshold, replication=replication)


def decoy_threshold(scores: Floats, candidates: NDArray[np.bool_], floor: float, q: float) -> float:
    """The lowest threshold of at least `floor` at which the null predicts a false discovery rate of at most `q`.

    The share of null rows above a threshold stands for the share of ordinary candidates above it (target-decoy
    estimate; Elias & Gygi, Nature Methods 4, 2007).
    """
    null = np.sort(scores[~candidates])
    levels = np.unique(np.append(scores[scores > floor], floor))
    decoys = (len(null) - np.searchsorted(null, levels, side="right")) / max(1, len(null)) * candidates.sum()
    targets = np.sort(scores[candidates])
    found = len(targets) - np.searchsorted(targets, levels, side="right")
    good = np.flatnonzero(decoys <= q * np.maximum(found, 1))
    return float(levels[good[0]])  # above the highest score there are no decoys: there always is one


def _threshold(null: Floats, suspects: Floats, quantile: float) -> float:
    """Half way between the null's middle and the suspects', but never among the null."""
    return max(float(np.quantile(null, quantile)), float(np.median(null) + np.median(suspects)) / 2)


def _replication(
    ground: Background,
    candidates: NDArray[np.bool_],
    rows: NDArray[np.intp],
    half: NDArray[np.bool_],
    quantile: float,
) -> float:
    found = []
    for seen in (half[rows], ~half[rows]):
        if seen.sum() < 3 or (~seen).sum() < 1:
            return 0.0
        scores = ground.scores(rows[seen])
        limit = _threshold(scores[~candidates], scores[rows[seen]], quantile)
        found.append(scores[rows[~seen]] > limit)
    return float(np.concatenate(found).mean())
