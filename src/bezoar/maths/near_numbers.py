"""Pairs of rows of which every number lies near the other's, within groups that are known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bezoar.maths.near_vectors import near_vectors
from bezoar.maths.stats import Floats

# Rows that follow a row within the radius along one column, on average, up to which it is compared with each of them.
_SWEPT = 512
# Rows that show which column tells rows apart best.
_SAMPLE = 10_000
# Units from the middle of a column beyond which outliers look alike to the first look.
_FARTHEST = 1e4
# How much rounding in single precision may add to a distance, as a share of it.
_MARGIN = 1e-3


def near_numbers(
    columns: Sequence[Floats], groups: NDArray[np.int64], radius: float, *, limit: int = 32
) -> NDArray[np.intp]:
    """Pairs of rows of one group that differ in no column by more than `radius`.

    Rows are sorted along the column that tells them apart best, and each is compared with those that follow within the
    radius. Groups in which these are too many are compared as vectors (:func:`near_vectors`), with outliers drawn in:
    that brings no two rows further apart. The numbers themselves have the last word.

    Parameters
    ----------
    columns : (n,) finite each, any number of them, most of a column within a few units of each other; other units cost
        time.
    groups : (n,) whole numbers >= 0.
    radius : at least 0.
    limit : pairs of two rows that both have this many pairs already may be left out, so that many rows that are alike
        cost memory in O(n limit). Where rows are compared as vectors, pairs whose root-mean-square difference is at most
        the radius count as well. Every pair of a row that has fewer is there.

    Returns
    -------
    (m, 2) row indices i < j, sorted, each pair once.
    """
    columns = sorted(columns, key=lambda column: -_steps(column, radius)) or [np.zeros(len(groups))]
    order = np.lexsort((columns[0], groups))
    sizes = np.bincount(groups)
    ends = np.cumsum(sizes)
    swept = np.ones(len(order), dtype=bool)
    found = []
    for number in np.flatnonzero(sizes > _SWEPT):
        rows = slice(ends[number] - sizes[number], ends[number])
        along = columns[0][order[rows]]
        follow = np.searchsorted(along, along + radius, side="right") - np.arange(1, len(along) + 1)
        if len(columns) > 1 and follow.mean() > _SWEPT:
            swept[rows] = False
            found.append(_compared(columns, order[rows], radius, limit))
    found.append(_swept(columns, groups, order[swept], radius, limit))
    pairs = np.sort(np.concatenate(found), axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _steps(column: Floats, radius: float) -> int:
    """In how many steps of a radius a sample of these numbers lies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return len(np.unique(np.floor(column[:: max(1, len(column) // _SAMPLE)] / radius)))


def _swept(
    columns: Sequence[Floats], groups: NDArray[np.int64], order: NDArray[np.intp], radius: float, limit: int
) -> NDArray[np.intp]:
    """(m, 2) the near pairs of these rows, which are sorted by group and along the first column."""
    n = len(order)
    along, group = columns[0][order], groups[order]
    counts = np.zeros(n, dtype=np.intp)
    found = [np.empty((0, 2), dtype=np.intp)]
    first = np.arange(n)
    # Along a single column all rows in between are near as well: rows that are further apart than the limit have it.
    for step in range(1, min(n, limit + 1) if len(columns) == 1 else n):
        first = first[: np.searchsorted(first, n - step)]
        second = first + step
        first = first[(group[first] == group[second]) & (along[second] - along[first] <= radius)]
        if not len(first):
            break
        wanted = first[(counts[first] < limit) | (counts[first + step] < limit)]
        pairs = np.stack([wanted, wanted + step], axis=1)
        pairs = pairs[_alike(columns[1:], order[pairs], radius)]
        counts += np.bincount(pairs.ravel(), minlength=n)
        found.append(order[pairs])
    return np.concatenate(found)


def _compared(columns: Sequence[Floats], rows: NDArray[np.intp], radius: float, limit: int) -> NDArray[np.intp]:
    """(m, 2) the near pairs of these rows."""
    drawn_in = np.empty((len(rows), len(columns)))
    for index, column in enumerate(columns):
        away = column[rows] - np.median(column[rows])
        drawn_in[:, index] = np.sign(away) * np.log1p(np.minimum(np.abs(away), _FARTHEST))
    pairs = rows[near_vectors(drawn_in, (1 + _MARGIN) * radius * len(columns) ** 0.5, limit=limit)]
    return pairs[_alike(columns, pairs, radius)]


def _alike(columns: Sequence[Floats], pairs: NDArray[np.intp], radius: float) -> NDArray[np.intp]:
    """Which of these pairs (m, 2) of rows differ in none of the columns by more than the radius."""
    kept = np.arange(len(pairs))
    for column in columns:
        if not len(kept):
            break
        kept = kept[np.abs(column[pairs[kept, 0]] - column[pairs[kept, 1]]) <= radius]
    return kept
