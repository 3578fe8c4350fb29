"""Linear discriminant analysis with shrinkage, for more columns than rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Whitened:
    """Normal distributions of classes that share a covariance, seen where that is a sphere.

    Parameters
    ----------
    whitening : (d, d); rows times it have unit covariance around the centre of their class.
    centres : (k, d) of the classes, there.
    """

    whitening: Floats
    centres: Floats

    def distances(self, rows: Floats, labels: NDArray[np.int64]) -> Floats:
        """(n,) squared Mahalanobis distances of rows (n, d) to the centres of these classes, divided by d."""
        apart: Floats = rows @ self.whitening - self.centres[labels]
        distances: Floats = np.square(apart).mean(axis=1)
        return distances


def whitened(rows: Floats, labels: NDArray[np.int64], classes: int, shrinkage: float) -> Whitened:
    """The normal distributions of the classes, their common covariance shrunk towards a sphere.

    Parameters
    ----------
    rows : (n, d).
    labels : (n,), below `classes`. A class without rows is given the mean of all.
    shrinkage : weight of a sphere of the same trace in the covariance of columns brought to one spread, in (0, 1).

    References
    ----------
    Friedman, "Regularized discriminant analysis", JASA 84, 1989, equations 16 and 18 (with one covariance).
    """
    means = np.stack(
        [
            rows[labels == label].mean(axis=0) if (labels == label).any() else rows.mean(axis=0)
            for label in range(classes)
        ]
    )
    apart = rows - means[labels]
    spread = apart.std(axis=0)
    spread = np.where(spread > 1e-6 * max(float(spread.max()), 1e-12), spread, np.inf)
    apart = apart / spread
    covariance = apart.T @ apart / len(rows)
    sphere = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    covariance = (1 - shrinkage) * covariance + shrinkage * sphere * np.eye(len(covariance))
    factor = np.linalg.cholesky(covariance)
    whitening = linalg.solve_triangular(factor, np.eye(len(factor)), lower=True).T / spread[:, None]
    return Whitened(whitening, means @ whitening)


def linear_discriminant(
    rows: Floats, labels: NDArray[np.int64], classes: int, shrinkage: float
) -> tuple[Floats, Floats]:
    """Weights (k, d) and offsets (k,) of discriminant functions; a difference of two is half that of squared distances.

    Distances are those of :func:`whitened`, which says what the parameters are, in units of the median squared distance of
    a row to the mean of its own class. All classes are taken to be equally frequent.
    """
    found = whitened(rows, labels, classes, shrinkage)
    usual = float(np.median(found.distances(rows, labels))) * rows.shape[1] or 1.0
    return found.centres @ found.whitening.T / usual, -0.5 * np.square(found.centres).sum(axis=1) / usual
