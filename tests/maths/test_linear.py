"""Top directions and robust distances, against the full SVD and planted outliers."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

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


def spectral_scores(x):
    """As the detector takes them from the components."""
    return linear.leading_components(x, 1)[:, 0] ** 2


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
    assert auroc(spectral_scores(x), poisoned) > 0.99


def test_uncentred_scores_would_invert_on_that_case():
    """The defect itself, so that the test above can be seen to be about it."""
    x, poisoned = poisoned_class(np.random.default_rng(0), -6.0)
    top = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][0]
    assert auroc(np.abs(x @ top), poisoned) < 0.05


def test_spectral_scores_do_not_move_when_features_are_shifted():
    x, _ = poisoned_class(np.random.default_rng(0))
    x = x.astype(np.float64)
    np.testing.assert_allclose(spectral_scores(x + 17.0), spectral_scores(x), atol=1e-8)


def test_whitened_distance_finds_a_faint_mark_in_a_quiet_direction():
    """Loud honest directions hide the mark from the spectral score, not from the whitened distance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 32)) * np.geomspace(10, 0.1, 32)
    poisoned = np.arange(1000) < 10
    x[poisoned, 30] += 2.5
    assert auroc(linear.whitened_distance(x), poisoned) > 0.97
    assert auroc(spectral_scores(x), poisoned) < 0.8


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


@pytest.fixture
def small_blocks(monkeypatch):
    """A few rows at a time and single precision, as for features too many to convert at once."""
    monkeypatch.setattr(linear, "_BLOCK", 1000)
    monkeypatch.setattr(linear, "_ALWAYS_DOUBLE", 0)


def slow_distances(x, trim=0.1, steps=2):
    """The whole of it in double precision, with scikit-learn's shrinkage and every covariance made anew."""
    x = x.astype(np.float64)

    def distances(bulk, centre):
        covariance = ledoit_wolf(bulk - centre, assume_centered=True)[0]
        covariance += 1e-9 * ((bulk - centre) ** 2).mean() * np.eye(x.shape[1])
        residual = x - centre
        return np.einsum("ni,ij,nj->n", residual, np.linalg.inv(covariance), residual) / x.shape[1]

    found = distances(x, np.median(x, axis=0))
    for _ in range(steps):
        bulk = x[np.argsort(found, kind="stable")[: int(np.ceil(len(x) * (1 - trim)))]]
        found = distances(bulk, bulk.mean(axis=0))
    return found


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_whitened_distances_by_blocks_are_those_of_the_whole(dtype, small_blocks):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(601, 20)) @ rng.normal(size=(20, 20)) + 30).astype(dtype)
    x[:, 4] = 7.0  # a dead feature
    np.testing.assert_allclose(linear.whitened_distance(x), slow_distances(x), rtol=1e-4)


def test_whitened_distances_are_right_beside_rows_that_outweigh_all_others():
    """Their squares are 10^16 times the others': subtracting them from the sums would leave nothing but rounding."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6))
    x[:3] *= 1e8
    np.testing.assert_allclose(linear.whitened_distance(x), slow_distances(x), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_components_of_narrow_features_are_those_of_double_ones(dtype, small_blocks):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(900, 12)) * np.geomspace(4, 0.5, 12) - 6).astype(dtype)
    found, expected = (np.abs(linear.leading_components(each, 3)) for each in (x, x.astype(np.float64)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_memory_mapped_file_is_read_as_an_array_is(tmp_path, small_blocks):
    x, _ = poisoned_class(np.random.default_rng(0))
    np.save(tmp_path / "x.npy", x.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r", allow_pickle=False)
    np.testing.assert_array_equal(spectral_scores(mapped), spectral_scores(x.astype(np.float16)))
    np.testing.assert_array_equal(linear.whitened_distance(mapped), linear.whitened_distance(x.astype(np.float16)))


def test_moments_of_the_rest_follow_from_those_of_all_and_of_some():
    x = np.random.default_rng(0).normal(size=(50, 4)) + 3
    rest = linear.Moments.of(x).without(linear.Moments.of(x[:8]))
    assert rest.count == 42
    np.testing.assert_allclose(rest.mean, x[8:].mean(axis=0))
    np.testing.assert_allclose(rest.scatter, 41 * np.cov(x[8:], rowvar=False))
    np.testing.assert_allclose(rest.about(np.zeros(4)), x[8:].T @ x[8:])


@pytest.mark.parametrize(("dtype", "precision"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_a_covariance_merged_from_pieces_is_that_of_all_rows(dtype, precision):
    """To the stated share of its largest entry, features lying ten spreads away from zero. The oracle is numpy's, in double."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(100_000, 90)) * rng.uniform(0.5, 2, 90) + 10).astype(dtype)
    parts = linear.pieces(*x.shape)
    assert len(parts) == 2
    merged = linear.Moments.together([linear.Moments.of(x[rows]) for rows in parts])
    expected = np.cov(x.T.astype(np.float64), bias=True)
    assert np.abs(merged.scatter / merged.count - expected).max() <= precision * expected.max()
    assert np.abs(merged.mean - x.mean(axis=0, dtype=np.float64)).max() <= precision * 10


@pytest.mark.parametrize(
    ("n", "d", "count"), [(1, 1, 1), (8, 2**20, 1), (9, 2**20, 2), (5, 2**24, 5), (1_000_000, 512, 62), (3, 0, 1)]
)
def test_pieces_are_all_rows_in_as_equal_parts_as_can_be(n, d, count):
    parts = linear.pieces(n, d)
    assert len(parts) == count
    assert [row for part in parts for row in (part.start, part.stop)][:: len(parts) * 2 - 1] == [0, n]
    assert all(before.stop == after.start for before, after in pairwise(parts))
    assert {part.stop - part.start for part in parts} <= {n // count, -(-n // count)}


def test_moments_of_parts_together_are_those_of_all_rows():
    x = np.random.default_rng(0).normal(size=(90, 5)) + np.repeat([[0.0], [7.0], [-3.0]], 30, axis=0)
    found = linear.Moments.together([linear.Moments.of(part) for part in np.split(x, [20, 55])])
    assert found.count == 90
    np.testing.assert_allclose(found.mean, x.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.scatter, 90 * np.cov(x.T, bias=True), rtol=1e-12, atol=1e-9)


def test_moments_that_are_known_are_not_worked_out_again(monkeypatch):
    x = np.random.default_rng(0).normal(size=(300, 6)) * np.arange(1, 7)
    moments, components, distances = linear.Moments.of(x), linear.leading_components(x, 3), linear.whitened_distance(x)
    made = linear.Moments.of
    monkeypatch.setattr(linear.Moments, "of", lambda some: pytest.fail("all again") if len(some) == 300 else made(some))
    np.testing.assert_array_equal(linear.leading_components(x, 3, moments=moments), components)
    np.testing.assert_array_equal(linear.whitened_distance(x, moments=moments), distances)


@pytest.mark.parametrize("n", [8, 9])
def test_the_median_is_that_of_the_columns(n):
    x = np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)
    np.testing.assert_array_equal(linear._median(x), np.median(x.astype(np.float64), axis=0))


def test_single_precision_finds_no_directions_beyond_the_rank(small_blocks):
    rng = np.random.default_rng(0)
    x = (rng.integers(-8, 9, size=(500, 2)) @ rng.integers(-3, 4, size=(2, 20))).astype(np.float32)
    assert linear.leading_components(x, 6).shape == (500, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_do_not_depend_on_the_order_of_the_rows(dtype, small_blocks):
    """Products start from the mean of the first rows: the worst order puts all that lies far off there, or nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(801, 5)).astype(dtype)
    x[:90] += 1000
    expected = x.astype(np.float64)
    for order in (np.arange(801), np.arange(801)[::-1], rng.permutation(801)):
        moments = linear.Moments.of(x[order])
        np.testing.assert_allclose(moments.mean, expected.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(moments.scatter, 801 * np.cov(expected.T, bias=True), rtol=1e-4)
