"""2-means of clouds in a few dimensions from many starts, all clouds and all starts at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]

# Share of rows at the end of an axis that a start takes for one cluster.
_TAIL = 0.03
# Rows of a large cloud among which starts move first: those farthest out, and as many at most that stand for the others.
_FAR = 256
_NEAR = 256
# Steps until it is looked which starts still move, and how often that is at most: among some of the rows, then among all.
_STEPS = 5
_ROUNDS = 6
_LAST_ROUNDS = 1
# How many times the variation asked for is let pass among some of the rows.
_DOUBT = 1.35
# Marks of planes that are the same differ by no more than this share.
_ROUNDING = 1e-6
# Columns that products work on at a time.
_LANES = 8


def two_means(clouds: Sequence[NDArray[np.float64]], *, variation: float = np.inf) -> list[Singles]:
    """Where 2-means ends in each cloud.

    The starts take either end of every axis for one cluster, and the halves along the first, so clouds should hold
    principal components. In clouds of more than 512 rows they move among the 256 farthest from the middle and up to 256
    that stand for the others, for 30 steps at most, and then five among all: a small cluster far out is never left to
    chance. No randomness.

    Parameters
    ----------
    clouds : (n, d) each, at least one. They take as much room as the largest, so sizes should be alike.
    variation : the most that the squared coefficient of variation of the distances from the boundary may be, in both
        clusters.

    Returns
    -------
    (s, n) for each cloud: height of the rows above the boundary in a unit of its own, more than 0 in one cluster. Both
    have at least two rows; s may be 0.

    References
    ----------
    Ding and He, "K-means clustering via principal component analysis", ICML 2004 (why these starts). Bachem, Lucic and
    Krause, "Scalable k-means clustering via lightweight coresets", KDD 2018 (why the far rows).
    """
    axes = max(x.shape[1] for x in clouds)
    # A last row of ones: one product gives the sums and the sizes of all clusters. Short clouds end in columns of zeros,
    # and rows of zeros make products twice as fast.
    columns = np.zeros((len(clouds), _LANES * (axes // _LANES + 1), max(map(len, clouds))), dtype=np.float32)
    for x, some in zip(clouds, columns, strict=True):
        centred = x - x.mean(axis=0)
        some[: x.shape[1], : len(x)] = (centred / (np.abs(centred).max(initial=0) or 1)).T
        some[-1, : len(x)] = 1
    few, weights = _sample(columns, np.array([len(x) for x in clouds]))
    weighted = few * weights
    planes = _settled(_boundaries(_starts(clouds, columns, few), weighted, _total(weighted)), few, weighted, _ROUNDS)
    if few is not columns:
        planes[_variation(planes @ few, weighted[:, -1:]) > _DOUBT * variation] = 0
        planes = _settled(planes, columns, columns, _LAST_ROUNDS)
    return [
        _heights(found, some[:, : len(x)], variation) for x, some, found in zip(clouds, columns, planes, strict=True)
    ]


def _sample(columns: Singles, n: NDArray[np.intp]) -> tuple[Singles, Singles]:
    """Some of the first n of the columns (b, w, n) of each cloud, at least those farthest out, and weights (b, 1, m)."""
    if columns.shape[2] <= _FAR + _NEAR:
        return columns, np.ones((1, 1, 1), dtype=np.float32)
    order = np.argsort(-np.einsum("bwn,bwn->bn", columns, columns), axis=1)
    step = -((_FAR - n[:, None]) // _NEAR).clip(max=-1)
    place = np.concatenate([np.arange(_FAR) + 0 * step, _FAR + np.arange(_NEAR) * step], axis=1)
    weights = np.where(place < _FAR, 1, step) * (place < n[:, None])
    chosen = np.take_along_axis(order, np.minimum(place, order.shape[1] - 1), axis=1)
    return np.take_along_axis(columns, chosen[:, None], axis=2), weights[:, None].astype(np.float32)


def _starts(clouds: Sequence[NDArray[np.float64]], columns: Singles, few: Singles) -> Singles:
    """Clusters (b, s, m) among a few columns (b, w, m) of the clouds to start from, empty where there is none."""
    axes = max(x.shape[1] for x in clouds)
    member = np.zeros((len(clouds), 2 * axes + 1, few.shape[2]), dtype=np.float32)
    for inside, some, whole, (n, d) in zip(member, few, columns, (x.shape for x in clouds), strict=True):
        if n < 4 or not d:
            continue
        tail = max(2, int(np.ceil(_TAIL * n)))
        ordered = np.sort(whole[:d, :n], axis=1)
        inside[:d] = some[:d] <= ordered[:, tail - 1, None]
        inside[d : 2 * d] = some[:d] >= ordered[:, n - tail, None]
        inside[2 * d] = some[0] <= ordered[0, n // 2 - 1]
    return member


def _settled(planes: Singles, columns: Singles, weighted: Singles, rounds: int) -> Singles:
    """Where planes (b, s, w) come to rest among the columns (b, w, m), or are after so many rounds.

    Planes of zeros stay as they are, and of those that meet one goes on.
    """
    rest = np.zeros_like(planes)
    places = np.indices(planes.shape[:2])
    moving: Flags = np.any(planes, axis=2)
    for _ in range(rounds):
        # Whichever cluster is the upper one: both name the same plane.
        np.negative(planes, out=planes, where=planes @ columns[:, :, :1] > 0)
        moving = moving & ~_met(_mark(planes), moving)
        left: Flags = np.any(moving, axis=1)
        if not left.any():
            break
        if not left.all():
            columns, weighted = columns[left], weighted[left]
        first = np.argsort(~moving[left], axis=1, kind="stable")[:, : moving.sum(axis=1).max()]
        moving = np.take_along_axis(moving[left], first, axis=1)
        places = np.take_along_axis(places[:, left], first[None], axis=2)
        planes = np.take_along_axis(planes[left], first[..., None], axis=1)
        heights, total = np.empty((*moving.shape, columns.shape[2]), dtype=np.float32), _total(weighted)
        for _ in range(_STEPS):
            before = planes
            np.matmul(planes, columns, out=heights)
            planes = _boundaries(np.greater(heights, 0, out=heights), weighted, total)
        still = moving & _same(_mark(planes), _mark(before))
        rest[tuple(places[:, still])] = planes[still]
        moving &= ~still
    rest[tuple(places[:, moving])] = planes[moving]
    return rest


def _total(weighted: Singles) -> Singles:
    """(b, 1, w) sums of the columns (b, w, m) of each cloud."""
    return np.asarray(weighted.sum(axis=2)[:, None])


def _boundaries(member: Singles, weighted: Singles, total: Singles) -> Singles:
    """Planes (b, s, w) half-way between the means of the clusters (b, s, m) and of the others: members lie above."""
    sums = member @ weighted.transpose(0, 2, 1)
    inside = sums / np.maximum(sums[..., -1:], 1)
    outside = (total - sums) / np.maximum(total[..., -1:] - sums[..., -1:], 1)
    planes: Singles = inside - outside
    planes[..., -1] = np.einsum("bsw,bsw->bs", planes, inside + outside) / -2
    return planes


def _heights(planes: Singles, columns: Singles, variation: float) -> Singles:
    """(s, n) of the columns (w, n) above those planes, each once, that part them as :func:`two_means` says."""
    some: Flags = np.any(planes, axis=1)
    if not some.any():
        return np.empty((0, columns.shape[1]), dtype=np.float32)
    heights = planes[some & ~_met(_mark(planes), some)] @ columns
    size = np.count_nonzero(heights > 0, axis=1)
    heights = heights[(size >= 2) & (size <= heights.shape[1] - 2)]
    return np.asarray(heights[_variation(heights, columns[-1:]) <= variation])


def _variation(heights: Singles, weights: Singles) -> Singles:
    """(..., s) the larger squared coefficient of variation of the distances from the boundary, of those on either side.

    Parameters
    ----------
    heights : (..., s, n) above the boundary. Rows that lie on it do not count.
    weights : (..., 1, n) of the rows.
    """
    column = np.swapaxes(weights, -1, -2)
    sides = []
    for side in (np.maximum(heights, 0), np.minimum(heights, 0)):
        count, total, square = ((each @ column)[..., 0] for each in ((side != 0).astype(np.float32), side, side * side))
        sides.append(np.divide(count * square, total**2, out=np.ones_like(total), where=total != 0) - 1)
    return np.asarray(np.maximum(*sides))


def _mark(planes: Singles) -> Singles:
    """One number (...) for each plane (..., w), by which planes that are not the same differ."""
    return np.asarray(planes @ np.cos(np.arange(1, planes.shape[-1] + 1)).astype(np.float32))


def _met(marks: Singles, some: Flags) -> Flags:
    """(..., s) which planes are the same as an earlier one of some."""
    return np.asarray(np.tril(_same(marks[..., None], marks[..., None, :]) & some[..., None, :], -1).any(axis=-1))


def _same(marks: Singles, others: Singles) -> Flags:
    return np.asarray(np.abs(marks - others) <= _ROUNDING * np.abs(marks))
