"""Chances of the largest."""

import numpy as np
import pytest

from bezoar.maths.extremes import exceeded


@pytest.mark.parametrize("seen", [20, 40])
@pytest.mark.parametrize("level", [0.01, 0.05])
def test_a_new_value_is_as_rare_as_it_is_said_to_be(seen, level):
    """4,000 draws of everything anew: within three standard errors."""
    rng = np.random.default_rng(1)
    drawn = 3 + 0.5 * rng.gumbel(size=(4_000, seen + 1))
    called = np.mean([exceeded(row[-1:], row[:-1])[0] <= level for row in drawn])
    assert called == pytest.approx(level, abs=3 * (level / 4_000) ** 0.5)


def test_many_values_tell_the_distribution():
    rng = np.random.default_rng(2)
    seen = rng.gumbel(2, 3, 5_000)
    values = np.array([2.0, 8.0, 14.0])
    np.testing.assert_allclose(exceeded(values, seen), -np.expm1(-np.exp(-(values - 2) / 3)), rtol=0.1)


def test_it_falls_and_moves_with_the_scale():
    seen = np.random.default_rng(3).normal(size=30)
    values = np.linspace(-1, 6, 20)
    chances = exceeded(values, seen)
    assert (np.diff(chances) < 0).all()
    np.testing.assert_allclose(exceeded(10 + 4 * values, 10 + 4 * seen), chances, rtol=1e-9)
