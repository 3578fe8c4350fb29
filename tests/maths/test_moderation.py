"""Moderated variances."""

import numpy as np
import pytest

from bezoar.maths.moderation import moderated


def drawn(variances, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, np.sqrt(variances), (m, len(variances)))


def test_groups_that_differ_by_chance_alone_get_one_variance():
    found = moderated(drawn(np.full(300, 4.0), 10))
    assert np.ptp(np.log(found)) < 0.4, "their own differ by a factor of ten"
    assert found.mean() == pytest.approx(4.0, rel=0.1)


def test_groups_that_differ_keep_their_own():
    """The common variance has a little weight still, which the smallest feel."""
    variances = np.geomspace(1e-3, 1e3, 200)
    residuals = drawn(variances, 20)
    np.testing.assert_allclose(moderated(residuals)[100:], residuals.var(axis=0, ddof=1)[100:], rtol=0.1)


@pytest.mark.parametrize("prior", [4.0, 30.0])
def test_they_are_nearer_to_the_truth_than_either_extreme(prior):
    """Variances drawn as the model has them: inverse chi-squares of `prior` degrees of freedom around one."""
    rng = np.random.default_rng(1)
    variances = prior / rng.chisquare(prior, 400)
    residuals = drawn(variances, 8, seed=2)
    own = residuals.var(axis=0, ddof=1)

    def error(estimate):
        return np.square(np.log(estimate) - np.log(variances)).mean()

    assert error(moderated(residuals)) < 0.95 * min(error(own), error(np.full(400, own.mean())))


def test_few_groups_and_groups_that_never_vary_give_numbers():
    assert moderated(drawn(np.ones(1), 20))[0] == pytest.approx(1.0, rel=0.5)
    still = drawn(np.ones(5), 20)
    still[:, 2] = 0
    assert np.isfinite(moderated(still)).all()
    assert (moderated(still) > 0).all()
