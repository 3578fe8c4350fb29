"""Surprise against the share that it estimates."""

import numpy as np
import pytest

from bezoar.maths.stats import conformal_p
from bezoar.maths.surprise import surprise, surprise_among


def test_scores_within_the_null_are_counted():
    """The middle of 999 null scores is reached by half of them."""
    assert surprise([0.0], np.arange(-499, 500)) == pytest.approx(-np.log(0.5), abs=0.01)


def test_scores_beyond_an_exponential_null_get_the_logarithm_of_its_true_tail():
    """Of an exponential distribution the tail at x is exp(-x): the surprise of x is x."""
    null = np.random.default_rng(0).exponential(size=20_000)
    assert surprise([4.0, 8.0, 16.0], null) == pytest.approx([4, 8, 16], rel=0.05)


def test_surprise_never_falls_with_the_score_and_has_an_end():
    null = np.random.default_rng(1).normal(size=300)
    found = surprise(np.linspace(-5, 50, 400), null)
    assert (np.diff(found) >= 0).all()
    assert found[-1] == 25
    assert found[0] == pytest.approx(0)


def test_a_null_of_equal_scores_is_counted_only():
    assert surprise([0.0, 1.0], np.zeros(99)).tolist() == pytest.approx([0.0, np.log(100)])


def test_sums_of_new_clean_scores_exceed_those_of_a_null_as_often_as_they_should():
    """Four scores each, 500 in the null: 1 % of 240,000 new ones, within 0.1 points; beside themselves it would be 1.1 %."""
    rng, rates = np.random.default_rng(0), []
    for _ in range(60):
        null, new = rng.normal(size=(4, 500)), rng.normal(size=(4, 4_000))
        sums = np.sum([surprise_among(own) for own in null], axis=0)
        found = np.sum([surprise(score, own) for score, own in zip(new, null, strict=True)], axis=0)
        rates.append((conformal_p(found, sums) <= 0.01).mean())
    assert np.mean(rates) == pytest.approx(0.01, abs=0.001)


@pytest.mark.parametrize("m", [2, 3, 10, 11, 57, 500])
@pytest.mark.parametrize("ties", [False, True])
def test_surprise_among_is_that_of_each_beside_the_others(m, ties):
    null = np.random.default_rng(m).exponential(size=m)
    null = np.round(null, 1) if ties else null
    slow = [surprise(null[[row]], np.delete(null, row))[0] for row in range(m)]
    assert surprise_among(null) == pytest.approx(slow)
