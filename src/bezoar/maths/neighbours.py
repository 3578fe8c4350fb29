"""Exact nearest neighbours."""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

# Rows whose exact distances are recomputed at a time: bounds memory at rows x k x d doubles.
_BLOCK = 1024

Neighbours = tuple[NDArray[np.float64], NDArray[np.intp]]
"""Distances (n, m), rising along a row, and indices (n, m) of the rows at those distances."""


def nearest(features: NDArray[Any], k: int) -> Neighbours:
    """The `k` nearest other rows of every row, by Euclidean distance.

    A row is never its own neighbour, however many duplicates it has. Rows at equal distance come in index order; which
    of those tied at the k-th place are left out is arbitrary but repeatable.

    Parameters
    ----------
    features : (n, d) finite.
    k : at least 1.

    Returns
    -------
    distances (n, m), rising along a row, and indices (n, m), with m = min(k, n - 1).
    """
    n = len(features)
    k = max(0, min(k, n - 1))
    if k == 0:
        return np.zeros((n, 0)), np.zeros((n, 0), dtype=np.intp)
    # faiss expands |x - y|^2 in single precision: a common offset would eat the digits.
    x = np.asarray(features, dtype=np.float64)
    x = x - x.mean(axis=0)
    single = np.ascontiguousarray(x, dtype=np.float32)
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(single)
    _, found = index.search(single, k + 1)
    # Drop the row itself or, where more than k duplicates crowd it out, the last one found.
    drop = found == np.arange(n)[:, None]
    drop[~drop.any(axis=1), -1] = True
    others = found[~drop].reshape(n, k).astype(np.intp)
    distances = np.empty((n, k))
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        distances[rows] = np.sqrt(((x[others[rows]] - x[rows, None]) ** 2).sum(axis=2))
    order = np.lexsort((others, distances), axis=1)
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(others, order, axis=1)
