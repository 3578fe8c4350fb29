"""Nearest neighbours against the full distance matrix."""

import time

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from bezoar.maths.neighbours import MOST_EXACT, nearest


def slow(x, k):
    distances = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, :k]


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_distances_are_those_of_the_full_matrix_even_far_from_the_origin(offset):
    """Single precision at an offset of 10,000 would lose all digits without centring."""
    x = np.random.default_rng(0).normal(size=(300, 8)) + offset
    distances, neighbours = nearest(x, 5)
    np.testing.assert_allclose(distances, slow(x, 5), rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(x[neighbours] - x[:, None], axis=2), distances, rtol=1e-9)


@pytest.mark.parametrize("copies", [2, 4, 30])
def test_a_row_is_never_its_own_neighbour_however_many_copies_it_has(copies):
    x = np.repeat(np.random.default_rng(0).normal(size=(10, 3)), copies, axis=0)
    distances, neighbours = nearest(x, 3)
    assert (neighbours != np.arange(len(x))[:, None]).all()
    assert all(len(set(row)) == 3 for row in neighbours.tolist())
    assert (distances[:, : min(3, copies - 1)] == 0).all()


def test_neighbours_at_equal_distance_come_in_index_order():
    """The ends of a cross are all at distance 1 from its middle."""
    x = np.array([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    assert nearest(x, 4)[1][0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_there_are_at_most_all_others(n):
    distances, neighbours = nearest(np.random.default_rng(0).normal(size=(n, 2)), 5)
    assert distances.shape == neighbours.shape == (n, max(0, min(5, n - 1)))


def recall(x, k=10, asked=500):
    """Share of the true nearest neighbours that are found, on some rows."""
    rows = np.random.default_rng(1).choice(len(x), asked, replace=False)
    distances = cdist(x[rows], x)
    distances[np.arange(asked), rows] = np.inf
    true = np.argpartition(distances, k, axis=1)[:, :k]
    found = nearest(x, k)[1][rows]
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(true.tolist(), found.tolist(), strict=True)])


def test_more_rows_than_are_compared_exactly_keep_nearly_all_neighbours():
    """Fifty groups with the falling variances that features of networks have."""
    rng = np.random.default_rng(0)
    n = MOST_EXACT + 8_000
    spread = np.arange(1, 33) ** -0.5
    x = rng.normal(size=(50, 32))[rng.integers(0, 50, n)] * 2 * spread + rng.normal(size=(n, 32)) * spread
    assert recall(x.astype(np.float32)) >= 0.98


def test_rows_without_groups_keep_most_neighbours():
    """A round cloud: borders are near everywhere."""
    x = np.random.default_rng(0).normal(size=(MOST_EXACT + 8_000, 12))
    assert recall(x) >= 0.65


def test_equal_rows_that_fill_one_cell_are_compared_with_no_more_than_their_share():
    """All pairs of 40,000 rows would be 1,600 million products."""
    x = np.ones((40_000, 4), dtype=np.float32)
    x[-1] = 5
    start = time.process_time()
    distances, neighbours = nearest(x, 3)
    assert time.process_time() - start < 30
    assert (distances[:-1] == 0).all()
    assert (neighbours != np.arange(len(x))[:, None]).all()
