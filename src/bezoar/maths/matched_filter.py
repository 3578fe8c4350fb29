"""A repeated pattern among natural images: the filter that sees it best, and the rows that carry it.

Natural images vary along few directions; a stamped pattern does not follow them. After whitening with the
covariance of ordinary rows the mean of the stamped rows is the optimal linear filter (the matched filter in
coloured noise; Kay, Fundamentals of Statistical Signal Processing II, 1998, section 4.4).
"""

from collections.abc import Mapping, Sequence
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

    def scores(self, groups: Sequence[NDArray[np.intp]]) -> Floats:
        """(g, n) response of every row to the filters made from g groups of suspects, higher is more like them."""
        signals = np.stack([_mean(self.rows, suspects) for suspects in groups]) - self.mean
        weights = scipy.linalg.cho_solve((self.factor, True), signals.T, check_finite=False)
        responses = np.empty((len(groups), len(self.rows)))
        for some in _blocks(len(self.rows)):
            responses[:, some] = (_numbers(self.rows[some]) @ weights).T
        responses -= (self.mean @ weights)[:, None]
        return responses

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


def matches(
    ground: Background,
    candidates: NDArray[np.bool_],
    starts: Sequence[NDArray[np.intp]],
    half: NDArray[np.bool_],
    *,
    steps: int = 15,
    quantile: float = 0.999,
) -> list[Match | None]:
    """Let filters and the rows that they find sharpen each other until they agree, from each start for itself.

    Parameters
    ----------
    ground : how ordinary rows vary.
    candidates : (n,) bool, rows that may carry the pattern. All others are the null.
    starts : of each, indices of the first suspects among the candidates.
    half : (n,) bool, a split into halves at random, for the replication.
    quantile : of the null, below which no row is matched.

    Returns
    -------
    What each start led to: None where fewer than five rows remain, or where there is nothing to start from or no null.
    """
    if candidates.all():
        return [None] * len(starts)
    held = {index: start for index, start in enumerate(starts) if len(start)}
    seen: dict[int, tuple[Floats, float]] = {}
    moving = list(held)
    for _ in range(steps):
        if not moving:
            break
        now, moving = moving, []
        for index, scores in zip(now, ground.scores([held[index] for index in now]), strict=True):
            threshold = _threshold(scores[~candidates], scores[held[index]], quantile)
            found = np.flatnonzero(candidates & (scores > threshold))
            seen[index] = scores.copy(), threshold  # or it would keep those of all others
            if len(found) < 5:
                del held[index]
            elif not np.array_equal(found, held[index]):
                held[index] = found
                moving.append(index)
    replication = _replication(ground, candidates, held, half, quantile)
    return [
        Match(rows=held[index], scores=seen[index][0], threshold=seen[index][1], replication=replication[index])
        if index in held
        else None
        for index in range(len(starts))
    ]


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
    matched: Mapping[int, NDArray[np.intp]],
    half: NDArray[np.bool_],
    quantile: float,
) -> dict[int, float]:
    """For each set of matched rows the share that is found again from its other half; 0 where a half is too small."""
    halves = {index: (rows[half[rows]], rows[~half[rows]]) for index, rows in matched.items()}
    split = {index: both for index, both in halves.items() if min(map(len, both)) >= 3}
    shares = dict.fromkeys(matched, 0.0)
    if not split:
        return shares
    scores = iter(ground.scores([part for both in split.values() for part in both]))
    for index, (one, other) in split.items():
        found = []
        for seen, unseen in ((one, other), (other, one)):
            by_half = next(scores)
            found.append(by_half[unseen] > _threshold(by_half[~candidates], by_half[seen], quantile))
        shares[index] = float(np.concatenate(found).mean())
    return shares
