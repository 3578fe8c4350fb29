"""Linear discriminants against distances that are computed one by one."""

import numpy as np
import pytest

from bezoar.maths.discriminant import linear_discriminant, whitened


def slow_distances(rows, labels, classes, shrinkage, asked):
    """(m, k) squared Mahalanobis distances of rows to class means, over the median of the rows' own."""
    means = np.array([rows[labels == label].mean(axis=0) for label in range(classes)])
    apart = rows - means[labels]
    spread = apart.std(axis=0)
    covariance = sum(np.outer(row, row) for row in apart / spread) / len(rows)
    sphere = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    inverse = np.linalg.inv((1 - shrinkage) * covariance + shrinkage * sphere)

    def squared(row, label):
        off = (row - means[label]) / spread
        return off @ inverse @ off

    usual = np.median([squared(row, label) for row, label in zip(rows, labels, strict=True)])
    return np.array([[squared(row, label) for label in range(classes)] for row in asked]) / usual


@pytest.mark.parametrize("columns", [3, 60])
def test_a_difference_of_discriminants_is_half_that_of_squared_distances(columns):
    """Also with more columns (60) than rows (40)."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 3
    rows = rng.normal(size=(40, columns)) * rng.uniform(0.1, 9, columns) + labels[:, None]
    asked = rng.normal(size=(7, columns))
    weights, bias = linear_discriminant(rows, labels, 3, 0.2)
    found = asked @ weights.T + bias
    distances = slow_distances(rows, labels, 3, 0.2, asked)
    assert np.allclose(2 * (found[:, :1] - found), distances - distances[:, :1])


@pytest.mark.parametrize("columns", [3, 60])
def test_distances_are_those_to_the_centre_of_a_class(columns):
    rng = np.random.default_rng(2)
    labels = np.arange(40) % 3
    rows = rng.normal(size=(40, columns)) * rng.uniform(0.1, 9, columns) + labels[:, None]
    found = whitened(rows, labels, 3, 0.2)
    every = np.stack([found.distances(rows, np.full(40, label)) for label in range(3)], axis=1)
    usual = np.median(every[np.arange(40), labels])
    assert np.allclose(every / usual, slow_distances(rows, labels, 3, 0.2, rows))


def test_columns_that_never_change_and_classes_without_rows_do_no_harm():
    rng = np.random.default_rng(1)
    rows, labels = rng.normal(size=(30, 4)), np.arange(30) % 2
    rows[:, 2] = 7.0
    weights, bias = linear_discriminant(rows, labels, 3, 0.1)
    assert np.isfinite(weights).all()
    assert np.isfinite(bias).all()
    assert (weights[:, 2] == 0).all()
