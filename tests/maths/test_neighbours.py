"""Nearest neighbours against the full distance matrix."""

import numpy as np
import pytest

from bezoar.maths.neighbours import nearest


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
