"""Surprise against the share that it estimates."""

import numpy as np
import pytest

from bezoar.maths.surprise import surprise


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
