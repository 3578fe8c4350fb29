"""All pairs of rows near each other in every number, against all pairs compared; and crowds."""

import numpy as np
import pytest

from bezoar.maths import near_numbers as module
from bezoar.maths.near_numbers import near_numbers


def slow(columns, groups, radius):
    x = np.stack([*columns, 1e9 * groups], axis=1)
    far = np.abs(x[:, None] - x[None]).max(axis=2)
    return np.argwhere(np.triu(far <= radius, k=1)).tolist()


@pytest.mark.parametrize("swept", [0, 512], ids=["as vectors", "swept"])
@pytest.mark.parametrize("groups", [1, 7, 400])
@pytest.mark.parametrize("d", [0, 1, 2, 5, 40])
def test_pairs_are_those_of_all_rows_compared(d, groups, swept, monkeypatch):
    """A third are copies with noise up to twice the radius; columns have heavy tails, and some few values only."""
    monkeypatch.setattr(module, "_SWEPT", swept)
    rng = np.random.default_rng(d)
    n = 600
    x = rng.standard_t(1.5, size=(n, d)) * 10.0 ** rng.integers(-1, 2, d)
    x[:, ::3] = np.round(x[:, ::3])
    copies, originals = rng.choice(n, n // 3, replace=False), rng.integers(0, n, n // 3)
    x[copies] = x[originals] + rng.choice([0.001, 0.02], (n // 3, 1)) * rng.uniform(-1, 1, (n // 3, d))
    group = rng.integers(0, groups, n)
    group[copies] = group[originals]
    pairs = near_numbers(list(x.T), group, 0.01, limit=n)
    assert len(pairs) >= 20
    assert pairs.tolist() == slow(list(x.T), group, 0.01)


@pytest.mark.parametrize("swept", [0, 512])
def test_outliers_beyond_all_bounds_hide_no_pair(swept, monkeypatch):
    monkeypatch.setattr(module, "_SWEPT", swept)
    rng = np.random.default_rng(0)
    columns = [rng.normal(size=200) for _ in range(3)]
    columns[0][:4] = [1e300, 1e300, -1e300, 1e5]
    for column in columns[1:]:
        column[:4] = 0.5
    assert [0, 1] in near_numbers(columns, np.zeros(200, dtype=int), 0.01).tolist()
    assert near_numbers(columns, np.zeros(200, dtype=int), 0.01).tolist() == slow(columns, np.zeros(200), 0.01)


@pytest.mark.parametrize(("d", "swept"), [(1, 512), (3, 10**6), (3, 0)])
def test_a_crowd_costs_no_more_than_the_limit_and_hides_no_pair_of_a_row_outside_it(d, swept, monkeypatch):
    monkeypatch.setattr(module, "_SWEPT", swept)
    crowd = np.random.default_rng(0).uniform(0, 0.005, (5_000, d))
    rim, outside = np.full((1, d), 0.0025), np.full((1, d), 0.0025)
    rim[0, 0] = np.sort(crowd[:, 0])[-4] + 0.01 - 1e-9
    # Near the rim only, by the largest difference and by the root of the mean square.
    outside[0, 0] = rim[0, 0] + 0.0099
    x = np.concatenate([crowd, rim, outside, np.full((1, d), 7.0)])
    pairs = near_numbers(list(x.T), np.zeros(len(x), dtype=int), 0.01, limit=8)
    counts = np.bincount(pairs.ravel(), minlength=len(x))
    assert counts[:5_000].min() >= (8 if swept else 1)
    assert len(pairs) <= 3 * 8 * len(x)
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    near_rim = np.flatnonzero((np.abs(rim - crowd) <= 0.01).all(axis=1))
    named = pairs[pairs[:, 1] == 5_000, 0]
    assert named.tolist() == near_rim.tolist() if swept else set(named) <= set(near_rim)
    assert pairs[pairs[:, 1] == 5_001, 0].tolist() == [5_000]
    assert counts[5_002] == 0


def test_without_columns_the_rows_of_a_group_are_all_near():
    assert near_numbers([], np.array([0, 1, 0, 1, 1]), 0.01).tolist() == [[0, 2], [1, 3], [1, 4], [3, 4]]
