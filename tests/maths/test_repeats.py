"""Differences and means over repeats against scipy, published examples and closed forms."""

import numpy as np
import pytest
from scipy import stats

from bezoar.core.errors import ParameterError
from bezoar.maths.repeats import nested_means, paired_shift, shift_of_intervals
from bezoar.maths.stats import Interval, wilson


@pytest.mark.parametrize("n", [2, 3, 10])
def test_a_paired_shift_is_the_one_of_scipy(n):
    rng = np.random.default_rng(n)
    before, after = rng.normal(size=n), rng.normal(0.5, 1, size=n)
    found = paired_shift(before.tolist(), after.tolist())
    oracle = stats.ttest_rel(after, before)
    ends = oracle.confidence_interval()
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    assert found.p_value == pytest.approx(oracle.pvalue)
    assert found.value == pytest.approx((after - before).mean())
    assert found.n == n


def test_equal_pairs_show_no_difference():
    found = paired_shift([0.1, 0.7, 0.4], [0.1, 0.7, 0.4])
    assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_pairs_that_all_differ_alike_have_no_spread_to_be_judged_by():
    """0.3 - 0.2 and 0.8 - 0.7 differ by rounding: a formula would find a spread of 1e-17 and certainty."""
    assert paired_shift([0.2, 0.7], [0.3, 0.8]) is None


@pytest.mark.parametrize(("before", "after"), [([0.1], [0.2]), ([0.1, 0.2], [0.3]), ([], [])])
def test_too_few_or_unequal_pairs_are_refused(before, after):
    with pytest.raises(ParameterError, match="at least 2"):
        paired_shift(before, after)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"), [((48, 80), (56, 70), 0.0524, 0.3339), ((3, 10), (9, 10), 0.1705, 0.8090)]
)
def test_one_pair_of_rates_gives_the_published_intervals(a, b, low, high):
    """Newcombe 1998, table II, method 10, examples (a) and (b)."""
    found = shift_of_intervals([wilson(*a)], [wilson(*b)])
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_the_p_value_is_at_its_level_where_the_interval_touches_zero():
    found = shift_of_intervals(
        [Interval(0.5, 0.4, 0.6, 100)], [Interval(0.5 + 0.1 * np.sqrt(2), 0.541421356, 0.9, 100)]
    )
    assert found.low == pytest.approx(0, abs=1e-9)
    assert found.p_value == pytest.approx(0.05)


def test_intervals_of_equal_values_show_no_difference():
    found = shift_of_intervals([Interval(0.5, 0.4, 0.6, 100)], [Interval(0.5, 0.3, 0.6, 100)])
    assert found.p_value == 1
    assert found.low < 0 < found.high


def test_four_pairs_halve_the_interval_of_one():
    one = shift_of_intervals([Interval(0.5, 0.4, 0.6, 9)], [Interval(0.6, 0.5, 0.7, 9)])
    four = shift_of_intervals([Interval(0.5, 0.4, 0.6, 9)] * 4, [Interval(0.6, 0.5, 0.7, 9)] * 4)
    assert four.high - four.low == pytest.approx((one.high - one.low) / 2)


def test_every_group_counts_the_same_however_many_repeats_it_has():
    groups = [np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 2.0]]), np.array([[3.0], [5.0]])]
    means, draws = nested_means(groups, np.random.default_rng(0), replicates=10)
    assert means.tolist() == [2, 3]
    assert draws.shape == (10, 2)


def test_draws_have_the_mean_and_variance_of_two_stages():
    """Variance of a mean of C groups drawn, each the mean of S repeats drawn: (between + mean(within / S)) / C."""
    rng = np.random.default_rng(3)
    groups = [rng.normal(at, 1, size=(2, repeats)) for at, repeats in ((0, 3), (1, 5), (2, 1), (4, 3))]
    means, draws = nested_means(groups, rng, replicates=40_000)
    between = np.stack([group.mean(axis=1) for group in groups]).var(axis=0)
    within = np.mean([group.var(axis=1) / group.shape[1] for group in groups], axis=0)
    np.testing.assert_allclose(draws.mean(axis=0), means, atol=0.02)
    np.testing.assert_allclose(draws.var(axis=0), (between + within) / len(groups), rtol=0.03)


def test_members_share_their_draws():
    """A member that is always 1 above another stays so in every draw."""
    group = np.random.default_rng(4).normal(size=(1, 5))
    _, draws = nested_means([np.vstack([group, group + 1])] * 3, np.random.default_rng(0))
    np.testing.assert_allclose(draws[:, 1] - draws[:, 0], 1)


def test_a_single_value_has_no_draws():
    means, draws = nested_means([np.array([[0.5]])], np.random.default_rng(0))
    assert means.tolist() == [0.5]
    assert draws is None


@pytest.mark.parametrize("groups", [[], [np.empty((2, 0))]])
def test_groups_without_repeats_are_refused(groups):
    with pytest.raises(ParameterError, match="at least one"):
        nested_means(groups, np.random.default_rng(0))
