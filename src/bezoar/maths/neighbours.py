"""Nearest neighbours: exact up to a stated number of rows, beyond that among the rows of the nearest cells."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

# Rows up to which all are compared with all.
MOST_EXACT = 2**15
# Rows that a row is compared with beyond that.
CANDIDATES = 2**13
# Rows in a cell, most cells, and rows a cell that its centre is found from.
_CELL, _MOST_CELLS, _SAMPLE = 512, 2**12, 64
# Rows whose distances are recomputed at a time: bounds memory at rows x k x d numbers.
_BLOCK = 1024
# Rows of one part where all are compared with all.
_ASKING = 2**12
# Products that are made at a time: 4 MB.
_PRODUCTS = 2**20
_GROUP = 8

Neighbours = tuple[NDArray[np.float64], NDArray[np.intp]]
"""Distances (n, m), rising along a row, and indices (n, m) of the rows at those distances."""
Part = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows that ask, and the rows that they are compared with."""
Each = Callable[[Callable[[Part], None], Iterable[Part]], Iterable[None]]
"""Does a work on every part, as `map` does, in any order."""


def nearest(features: NDArray[Any], k: int, *, each: Each = map) -> Neighbours:
    """The `k` nearest other rows of every row, by Euclidean distance.

    A row is never its own neighbour, however many duplicates it has. Rows at equal distance come in index order; which
    of those tied at the k-th place are left out is arbitrary but repeatable.

    Up to :data:`MOST_EXACT` rows the answer is exact. Beyond, rows are parted into cells by k-means, and a row is compared
    with the 8,192 rows in the cells nearest to its own: time and memory grow as n, whatever the rows. Of the ten nearest,
    99 % are found among 60,000 rows of a network's features, 98 % where rows fall into groups as those do (tested), but
    70 % in a round cloud of 12 dimensions, and less in one of more.

    Parameters
    ----------
    features : (n, d) finite.
    k : at least 1; beyond :data:`MOST_EXACT` rows at most :data:`CANDIDATES` - 1.
    each : deals out the parts of the rows, to threads for example.

    Returns
    -------
    distances (n, m), rising along a row, and indices (n, m), with m = min(k, n - 1).
    """
    n = len(features)
    k = max(0, min(k, n - 1))
    if k == 0:
        return np.zeros((n, 0)), np.zeros((n, 0), dtype=np.intp)
    # Products in single precision: a common offset would eat the digits.
    x = features - features.mean(axis=0, dtype=np.float64)
    single = np.ascontiguousarray(x, dtype=np.float32)
    if n > MOST_EXACT:
        x = single
    distances, neighbours = np.empty((n, k)), np.empty((n, k), dtype=np.intp)

    def ask(part: Part) -> None:
        rows, candidates = part
        found = candidates[_nearest_of(single[candidates], single[rows], k + 1)]
        for start in range(0, len(rows), _BLOCK):
            some = slice(start, start + _BLOCK)
            distances[rows[some]], neighbours[rows[some]] = _in_order(x, rows[some], found[some])

    everyone = np.arange(n)
    parts = [(everyone[start : start + _ASKING], everyone) for start in range(0, n, _ASKING)]
    for _ in each(ask, parts if n <= MOST_EXACT else _cells(single)):
        pass
    return distances, neighbours


def _in_order(x: NDArray[Any], rows: NDArray[np.intp], found: NDArray[np.intp]) -> Neighbours:
    """Of the nearest found for these rows, themselves among them, the others with their distances, in rising order."""
    # Drop the row itself or, where more than k duplicates crowd it out, the last one found.
    drop = found == rows[:, None]
    drop[~drop.any(axis=1), -1] = True
    others = found[~drop].reshape(len(rows), -1)
    apart = x[others]
    apart -= x[rows, None]
    distances = np.sqrt(np.einsum("ijk,ijk->ij", apart, apart))
    order = np.lexsort((others, distances), axis=1)
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(others, order, axis=1)


def _nearest_of(base: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """(q, k) which of `base` are nearest to each query, in no order.

    Columns are taken in groups of eight: the k nearest lie in the k groups whose best are best, so that only an eighth of
    all numbers is searched for the largest ones.
    """
    groups = -(-len(base) // _GROUP)
    padded = np.zeros((groups * _GROUP, base.shape[1] + 1), dtype=np.float32)
    padded[: len(base), :-1] = base
    padded[: len(base), -1] = -np.einsum("ij,ij->i", base, base) / 2
    padded[len(base) :, -1] = -np.inf
    step = max(1, _PRODUCTS // len(padded))
    few = min(k, groups)
    asking = np.column_stack([queries, np.ones(len(queries), dtype=np.float32)])
    room = np.empty((min(step, len(queries)), len(padded)), dtype=np.float32)
    found = np.empty((len(queries), k), dtype=np.intp)
    for start in range(0, len(queries), step):
        asked = asking[start : start + step]
        # q b - |b|^2 / 2 falls as the distance rises.
        near = np.matmul(asked, padded.T, out=room[: len(asked)])
        best = near.reshape(len(asked), _GROUP, groups).max(axis=1)
        top = np.argpartition(best, groups - few, axis=1)[:, groups - few :]
        members = (top[:, None, :] + groups * np.arange(_GROUP)[:, None]).reshape(len(asked), -1)
        at = np.argpartition(np.take_along_axis(near, members, axis=1), few * _GROUP - k, axis=1)[:, few * _GROUP - k :]
        found[start : start + step] = np.take_along_axis(members, at, axis=1)
    return found


def _cells(x: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Parts of all rows, each with the rows of the cells nearest to it, its own among them.

    A cell that holds more than its share, as a set of equal rows would, is cut into parts: no row is compared with more
    than :data:`CANDIDATES` others and one part.
    """
    n, d = x.shape
    count = min(n // _CELL, _MOST_CELLS)
    means = faiss.Kmeans(d, count, niter=5, seed=0, max_points_per_centroid=_SAMPLE, min_points_per_centroid=1)
    means.train(x)
    middles = np.asarray(means.centroids)
    cell = faiss.knn(x, middles, 1)[1][:, 0]
    order = np.argsort(cell, kind="stable")
    sizes = np.bincount(cell, minlength=count)
    largest = 4 * n // count
    parts = [
        (centre, order[start : min(start + largest, stop)])
        for centre, (stop, size) in enumerate(zip(np.cumsum(sizes), sizes, strict=True))
        for start in range(stop - size, stop, largest)
    ]
    centres = np.array([centre for centre, _ in parts])
    lengths = np.array([len(rows) for _, rows in parts])
    for number, (centre, rows) in enumerate(parts):
        distance = ((middles - middles[centre]) ** 2).sum(axis=1)[centres]
        distance[number] = -1.0
        near = np.argsort(distance, kind="stable")
        near = near[: 1 + int(np.searchsorted(np.cumsum(lengths[near]), CANDIDATES))]
        yield rows, np.concatenate([parts[each][1] for each in near])
