"""Top directions and robust distances, against the full SVD and planted outliers."""

import numpy as np
import pytest

from bezoar.maths import linear
from bezoar.maths.stats import auroc


@pytest.mark.parametrize(("n", "d"), [(200, 20), (20, 200), (1100, 1050), (3, 5), (2, 2)])
def test_top_directions_are_those_of_the_full_decomposition(n, d):
    """Through the Gram matrix of either side, and through Lanczos where both sides are large."""
    x = np.random.default_rng(0).normal(size=(n, d)) * np.linspace(3, 1, d)
    x[:, 0] *= 3
    count = min(2, n - 1)
    expected = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:count]
    found = linear.top_directions(x, count)
    np.testing.assert_allclose(np.abs((found * expected).sum(axis=1)), 1, atol=1e-6)
    np.testing.assert_allclose(found @ found.T, np.eye(count), atol=1e-6)


def test_lanczos_repeats_itself():
    x = np.random.default_rng(0).normal(size=(1100, 1050)).astype(np.float32)
    assert (linear.top_directions(x) == linear.top_directions(x)).all()


def test_there_are_no_more_directions_than_the_rank():
    x = np.outer(np.arange(10.0), np.ones(4))
    assert linear.top_directions(x, 3).shape == (1, 4)
    assert linear.top_directions(np.ones((5, 4)), 3).shape == (0, 4)
    assert linear.top_directions(np.ones((1, 4)), 3).shape == (0, 4)


def poisoned_class(rng, offset=0.0):
    """1,000 rows of a class, 50 of them moved by 5 along one direction, and the whole class by `offset` along it."""
    x = rng.normal(size=(1000, 32))
    poisoned = np.arange(1000) < 50
    x[poisoned, 7] += 5
    x[:, 7] += offset
    return x.astype(np.float32), poisoned


@pytest.mark.parametrize("offset", [0.0, -3.0, -6.0, 1000.0])
def test_spectral_scores_find_the_poison_wherever_the_class_lies(offset):
    """A peer scores uncentred features: with the class at -6 along the trigger's direction its AUROC is 0."""
    x, poisoned = poisoned_class(np.random.default_rng(0), offset)
    assert auroc(linear.spectral_scores(x), poisoned) > 0.99


def test_uncentred_scores_would_invert_on_that_case():
    """The defect itself, so that the test above can be seen to be about it."""
    x, poisoned = poisoned_class(np.random.default_rng(0), -6.0)
    top = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][0]
    assert auroc(np.abs(x @ top), poisoned) < 0.05


def test_spectral_scores_do_not_move_when_features_are_shifted():
    x, _ = poisoned_class(np.random.default_rng(0))
    x = x.astype(np.float64)
    np.testing.assert_allclose(linear.spectral_scores(x + 17.0), linear.spectral_scores(x), atol=1e-8)


def test_whitened_distance_finds_a_faint_mark_in_a_quiet_direction():
    """Loud honest directions hide the mark from the spectral score, not from the whitened distance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 32)) * np.geomspace(10, 0.1, 32)
    poisoned = np.arange(1000) < 10
    x[poisoned, 30] += 2.5
    assert auroc(linear.whitened_distance(x), poisoned) > 0.97
    assert auroc(linear.spectral_scores(x), poisoned) < 0.8


def test_whitened_distance_is_not_masked_by_many_outliers():
    """Eight in a hundred rows far off in one direction inflate a plain covariance until they look ordinary."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 10))
    poisoned = np.arange(500) < 40
    x[poisoned] += 3
    trusting = linear.robust_location(x, steps=0).distances(x)
    assert auroc(linear.whitened_distance(x), poisoned) > 0.999
    assert auroc(trusting, poisoned) < auroc(linear.whitened_distance(x), poisoned)


def test_distances_are_mahalanobis_distances_per_dimension():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5))
    location = linear.robust_location(x)
    covariance = location.factor @ location.factor.T
    residual = x - location.centre
    expected = np.einsum("ni,ij,nj->n", residual, np.linalg.inv(covariance), residual) / 5
    np.testing.assert_allclose(location.distances(x), expected)


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 4), (3, 600), (30, 1)])
def test_distances_are_finite_for_classes_of_any_size(shape):
    x = np.random.default_rng(0).normal(size=shape)
    assert np.isfinite(linear.whitened_distance(x)).all()


def test_a_class_of_copies_with_one_stranger_is_measured_without_error():
    x = np.zeros((50, 4))
    x[3, 1] = 1.0
    distances = linear.whitened_distance(x)
    assert np.isfinite(distances).all()
    assert distances.argmax() == 3
