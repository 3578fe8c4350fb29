"""All near pairs, against the full distance matrix; and sets made to blow up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from bezoar.maths import near_vectors as module
from bezoar.maths.near_vectors import near_vectors


def slow(x, radius):
    distances = squareform(pdist(x.astype(np.float64)))
    return np.argwhere(np.triu(distances <= radius, k=1)).tolist()


def with_copies(x, rng, *, noise):
    """A fifth of the rows become noisy copies of others."""
    copies = rng.choice(len(x), len(x) // 5, replace=False)
    x[copies] = x[rng.integers(0, len(x), len(copies))] + noise * rng.normal(size=(len(copies), x.shape[1]))
    return x


@pytest.mark.parametrize(
    ("shape", "decay", "offset", "radius"),
    [
        ((1500, 96), 0.0, 0.0, 1.5),  # every direction alike: the leading components say little
        ((1500, 96), 1.0, 0.0, 0.3),
        ((1500, 96), 1.0, 1000.0, 0.3),
        ((1500, 3), 0.0, 0.0, 0.05),
        ((300, 400), 0.5, 0.0, 0.5),  # more dimensions than rows
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_pairs_are_those_of_the_full_distance_matrix(shape, decay, offset, radius, dtype, monkeypatch):
    monkeypatch.setattr(module, "_TILE", 128)
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) * np.arange(1, shape[1] + 1) ** -decay
    x = (with_copies(x, rng, noise=radius / 10 / shape[1] ** 0.5) + offset).astype(dtype)
    pairs = near_vectors(x, radius)
    assert len(pairs) >= shape[0] // 10
    assert pairs.tolist() == slow(x, radius)


@given(st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=2), max_size=40), st.sampled_from([0.0, 1.1, 2.3]))
def test_pairs_of_points_on_a_grid_are_those_of_the_full_distance_matrix(points, radius):
    x = np.array(points, dtype=np.float32).reshape(-1, 2)
    assert near_vectors(x, radius, limit=1000).tolist() == (slow(x, radius) if len(x) else [])


def test_cosines_above_a_threshold_are_distances_below_one():
    rng = np.random.default_rng(0)
    x = with_copies(rng.normal(size=(800, 64)), rng, noise=0.2)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert near_vectors(x, np.sqrt(2 - 2 * 0.95)).tolist() == np.argwhere(np.triu(x @ x.T >= 0.95, k=1)).tolist()


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_a_set_where_all_is_alike_costs_no_more_than_the_limit(noise):
    """200 million pairs are near; each row names at least 16 of its own, and a few more."""
    x = (1 + noise * np.random.default_rng(0).normal(size=(20_000, 8))).astype(np.float32)
    pairs = near_vectors(x, 0.1, limit=16)
    counts = np.bincount(pairs.ravel(), minlength=len(x))
    assert counts.min() >= 16
    assert len(pairs) <= 2 * 16 * len(x)
    assert len(np.unique(pairs, axis=0)) == len(pairs)


def test_a_crowd_hides_no_pair_of_a_row_outside_it(monkeypatch):
    """A thousand copies lie near each other; a row near one of the crowd's rim only is still paired with it."""
    monkeypatch.setattr(module, "_TILE", 64)
    rng = np.random.default_rng(0)
    crowd = np.zeros((1000, 16))
    rim = np.full((1, 16), 0.2)  # .8 from the crowd
    outside = np.full((1, 16), 0.4)  # .8 from the rim, 1.6 from the crowd
    apart = rng.normal(size=(200, 16)) * 10
    x = np.concatenate([crowd, rim, outside, apart])
    pairs = near_vectors(x, 0.9, limit=8)
    assert [1000, 1001] in pairs.tolist()
    assert (pairs[:, 1] <= 1001).all()


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_is_near_where_there_is_nothing_else(n):
    assert near_vectors(np.zeros((n, 4), dtype=np.float32), 1.0).shape == (0, 2)
