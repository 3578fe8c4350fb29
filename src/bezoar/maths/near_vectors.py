"""All pairs of vectors that lie within a distance of each other, without measuring most of the others."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bezoar.maths.linear import leading_components

# Most leading components in which pairs are compared first, and pairs on which their number is tried.
_MOST_COMPONENTS = 128
_SAMPLE = 10_000
# What one pair's measurement costs for each of its numbers, in products of a pair in a tile.
_MEASUREMENT = 100
# Rows on either side of a tile of pairs.
_TILE = 1024
# Pairs whose distances are measured one by one at a time: bounds memory at that many rows.
_BLOCK = 2**13
# Where more than this share of a tile is in doubt, one product of all is cheaper than one pair at a time.
_IN_DOUBT = 0.02
# Tiles a core that are looked at before their pairs are counted: bounds memory.
_AHEAD = 4


def near_vectors(x: NDArray[Any], radius: float, *, limit: int = 128) -> NDArray[np.intp]:
    """Pairs of rows at a Euclidean distance of at most `radius`.

    Exact: a pair is dismissed only where a lower bound of its distance exceeds the radius. The bound is the distance of
    the leading components, together with the difference of what they leave of each row's length (the triangle
    inequality). Rows are sorted along the first component, so that whole tiles of pairs need no look at all. Distances
    are measured in single precision from the middle of all rows: pairs within a millionth of the radius may fall on
    either side.

    Parameters
    ----------
    x : (n, d) finite. Vectors of unit length with a cosine of at least c lie within ``sqrt(2 - 2 * c)``.
    radius : at least 0.
    limit : pairs of two rows that both have this many pairs already may be left out, so that a set of equal rows, or one
        made to collide, costs memory in O(n limit). Every pair of a row that has fewer is there.

    Returns
    -------
    (m, 2) row indices i < j, sorted, each pair once.
    """
    components = leading_components(x, _MOST_COMPONENTS)
    order = np.argsort(components[:, 0], kind="stable") if components.shape[1] else np.arange(len(x))
    components = components[order]
    precision = np.float64 if x.dtype == np.float64 else np.float32
    middle = x.mean(axis=0, dtype=np.float64) if len(x) else np.zeros(x.shape[1])
    rows = (x[order] - middle.astype(precision)).astype(np.float32, copy=False)
    rounding = 1e-6 * float(np.einsum("ij,ij->i", rows, rows).max(initial=0.0))
    # A bound may err by rounding more than a distance does: doubt costs little, a lost pair is lost.
    bounds = _Closeness(_short(rows, components, radius), radius, rounding + 1e-3 * radius**2)
    whole = _Closeness(rows, radius, rounding)

    counts = np.zeros(len(x), dtype=np.intp)
    found = [np.empty((0, 2), dtype=np.intp)]
    tiles = _tiles(components[:, 0] if components.shape[1] else np.zeros(len(x)), radius)
    cores = os.cpu_count() or 1
    # Tiles side by side, each on one thread: a product as small as one gains little from being split.
    with threadpool_limits(1), ThreadPoolExecutor(cores) as pool:
        while some := list(islice(tiles, _AHEAD * cores)):
            some = [(one, other) for one, other in some if min(counts[one].min(), counts[other].min()) < limit]
            for pairs in pool.map(partial(_pairs_in, bounds, whole), some):
                kept = pairs[_wanted(pairs[:, 0], counts, limit) | _wanted(pairs[:, 1], counts, limit)]
                counts += np.bincount(kept.ravel(), minlength=len(x))
                found.append(kept)
    pairs = np.sort(order[np.concatenate(found)], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _pairs_in(bounds: "_Closeness", whole: "_Closeness", tile: tuple[slice, slice]) -> NDArray[np.intp]:
    """(m, 2) the pairs of a tile, as positions among all rows."""
    one, other = tile
    near = bounds.of(one, other) >= -bounds.slack
    sure = None
    if np.count_nonzero(near) > _IN_DOUBT * near.size:
        closeness = whole.of(one, other)
        sure, near = closeness > whole.slack, closeness >= -whole.slack
    if one == other:
        near &= np.tri(len(near), k=-1, dtype=bool).T
    places = np.flatnonzero(near)
    first, second = np.divmod(places, near.shape[1])
    kept = np.zeros(len(places), dtype=bool) if sure is None else sure.ravel()[places]
    kept[~kept] = _measured(whole.rows[one], whole.rows[other], first[~kept], second[~kept]) <= whole.radius**2
    return np.stack([first[kept] + one.start, second[kept] + other.start], axis=1)


def _short(rows: NDArray[np.float32], components: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """(n, p + 1) the leading components, and the length of what they leave of each row.

    Distances between these rows are no larger than between the rows themselves. How many components pay is found on a
    sample of pairs: each costs a product for every pair, and each pair that stays in doubt costs a measurement.
    """
    lengths = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    pairs = np.random.default_rng(0).integers(0, max(1, len(rows)), (2, _SAMPLE if len(rows) else 0))
    first, second = components[pairs]
    apart = (first - second) ** 2

    def left_over(some: Any, count: int) -> NDArray[np.float64]:
        chosen = components[some, :count]
        return np.asarray(np.sqrt((lengths[some] - np.einsum("...j,...j->...", chosen, chosen)).clip(0)))

    def cost(count: int) -> float:
        doubtful = apart[:, :count].sum(axis=1) + np.subtract(*left_over(pairs, count)) ** 2 <= radius**2
        return count + _MEASUREMENT * rows.shape[1] * float(doubtful.mean()) if doubtful.size else 0.0

    count = min(range(0, components.shape[1] + 1, 16), key=cost)
    return np.column_stack([components[:, :count], left_over(slice(None), count)])


class _Closeness:
    """Half of the squared radius less the squared distance of any two rows, as one product; off by at most `slack`."""

    def __init__(self, rows: NDArray[Any], radius: float, slack: float) -> None:
        self.rows, self.radius, self.slack = rows, radius, slack

    @cached_property
    def _sides(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        half = np.einsum("ij,ij->i", self.rows, self.rows, dtype=np.float64)[:, None] / 2
        one = np.ones_like(half)
        return (
            np.hstack([self.rows, one, self.radius**2 / 2 - half], dtype=np.float32, casting="same_kind"),
            np.hstack([self.rows, -half, one], dtype=np.float32, casting="same_kind"),
        )

    def of(self, one: slice, other: slice) -> NDArray[np.float32]:
        """(rows of one, rows of the other)."""
        left, right = self._sides
        return np.asarray(left[one] @ right[other].T, dtype=np.float32)


def _tiles(sorted_values: NDArray[np.float64], radius: float) -> Iterator[tuple[slice, slice]]:
    """Pairs of slices between which these values come within the radius, those near the diagonal first.

    There a set of rows that are all alike reaches the limit at once, and the rest need not be looked at.
    """
    starts = np.arange(0, len(sorted_values), _TILE)
    stops = np.minimum(starts + _TILE, len(sorted_values))
    for apart in range(len(starts)):
        for low, high in zip(range(len(starts) - apart), range(apart, len(starts)), strict=True):
            # A little more than the radius: the values have been rounded.
            if sorted_values[starts[high]] - sorted_values[stops[low] - 1] <= 1.001 * radius:
                yield slice(int(starts[low]), int(stops[low])), slice(int(starts[high]), int(stops[high]))


def _measured(
    one: NDArray[np.float32], other: NDArray[np.float32], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Squared distances of pairs of rows."""
    squares = np.empty(len(first))
    for start in range(0, len(first), _BLOCK):
        block = slice(start, start + _BLOCK)
        apart = one[first[block]] - other[second[block]]
        squares[block] = np.einsum("ij,ij->i", apart, apart, dtype=np.float64)
    return squares


def _wanted(ends: NDArray[np.intp], counts: NDArray[np.intp], limit: int) -> NDArray[np.bool_]:
    """Which pairs their row at this end still needs: the first of each row, until it has `limit`."""
    order = np.argsort(ends, kind="stable")
    ranked, place = ends[order], np.arange(len(ends))
    rank = place - np.maximum.accumulate(np.where(np.diff(ranked, prepend=-1) > 0, place, 0))
    wanted = np.empty(len(ends), dtype=bool)
    wanted[order] = rank < limit - counts[ranked]
    return wanted
