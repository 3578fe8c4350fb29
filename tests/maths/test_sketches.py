"""Statistics of parts, merged, against those of the whole."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bezoar.maths.linear import Moments
from bezoar.maths.sketches import RANK_ERROR, Distinct, Quantiles, merged


def cut(values, cuts):
    """Parts of at least one row between these shares of all rows."""
    places = sorted({int(share * len(values)) for share in cuts} - {0, len(values)})
    return np.split(values, places)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 300),
    cuts=st.lists(st.floats(0, 1), max_size=6),
    mean=st.sampled_from([0.0, 5.0, 1_000.0]),
)
def test_merged_moments_are_those_of_all_rows_in_any_order(seed, n, cuts, mean):
    """Against ``numpy.mean`` and ``numpy.cov``, to the precision that is stated."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 3)) * [1, 10, 0.1] + mean * np.array([1, 10, 0.1])
    parts = [Moments.of(part) for part in cut(rows, cuts)]
    scatter = np.cov(rows.T, ddof=0) * n
    for some in itertools.islice(itertools.permutations(parts), 4):
        whole = merged(some)
        assert whole.count == n
        np.testing.assert_allclose(whole.mean, rows.mean(axis=0), rtol=0, atol=1e-12 * np.abs(rows).max())
        np.testing.assert_allclose(whole.scatter, scatter, rtol=0, atol=1e-10 * scatter.max())


def test_far_from_zero_merging_does_not_cancel():
    """Sums of squares lose everything here; the pairwise update keeps the variance (Chan et al. 1982, section 1)."""
    rows = np.array([[1e8 + value] for value in (4.0, 7.0, 13.0, 16.0)])
    whole = merged([Moments.of(rows[:2]), Moments.of(rows[2:])])
    assert whole.scatter[0, 0] / 3 == pytest.approx(30.0)


@pytest.mark.parametrize("draw", ["normal", "exponential", "uniform", "standard_cauchy"])
@pytest.mark.parametrize("parts", [1, 7, 40])
def test_quantiles_of_merged_parts_have_the_stated_error_in_rank(draw, parts):
    values = getattr(np.random.default_rng(1), draw)(size=100_000)
    shares = (0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999)
    got = Quantiles.merged(Quantiles.of(part) for part in np.array_split(values, parts)).at(shares)
    ranks = np.searchsorted(np.sort(values), got) / len(values)
    np.testing.assert_allclose(ranks, shares, atol=RANK_ERROR)


def test_the_least_and_the_most_are_exact_and_nothing_has_no_quantiles():
    values = np.random.default_rng(2).normal(size=5_000)
    both = Quantiles.merged([Quantiles.of(values[:100]), Quantiles.of(values[100:])])
    assert both.at((0, 1)).tolist() == [values.min(), values.max()]
    assert np.isnan(Quantiles.of(np.array([])).at((0.5,))).all()


def test_the_same_parts_give_the_same_quantiles_every_time():
    values = np.random.default_rng(3).normal(size=50_000)
    first, second = (Quantiles.merged(map(Quantiles.of, np.split(values, 5))).stored().tobytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("number", [0, 1, 100, 20_000, 200_000])
def test_the_number_of_different_values_lies_in_its_interval(number):
    """Parts overlap by half; a sketch counts what is in both once. Its 16,384 registers err by 0.8 % (one sigma)."""
    low, middle, high = range(2 * number // 3), range(number // 3, number), range(number // 2)
    value, least, most = Distinct.merged(map(Distinct.of, (low, middle, high))).bounds()
    assert least <= number <= most
    assert value == pytest.approx(number, rel=0.03)


def test_sketches_are_the_same_after_they_were_stored():
    quantiles, distinct = Quantiles.of(np.arange(1_000.0)), Distinct.of(str(value) for value in range(1_000))
    assert Quantiles.restored(quantiles.stored()).at((0.3,)) == quantiles.at((0.3,))
    assert Distinct.restored(distinct.stored()).bounds() == distinct.bounds()
