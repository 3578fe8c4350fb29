"""Linear discriminant analysis with shrinkage, for more columns than rows."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def linear_discriminant(
    rows: Floats, labels: NDArray[np.int64], classes: int, shrinkage: float
) -> tuple[Floats, Floats]:
    """Weights (k, d) and offsets (k,) of discriminant functions; a difference of two is half that of squared distances.

    Distances are Mahalanobis distances to the means of classes, under their common covariance, in units of the median
    squared distance of a row to the mean of its own class. All classes are taken to be equally frequent.

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
    apart, centres = apart / spread, means / spread
    covariance = apart.T @ apart / len(rows)
    sphere = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    covariance = (1 - shrinkage) * covariance + shrinkage * sphere * np.eye(len(covariance))
    solved = np.linalg.solve(covariance, centres.T).T
    usual = float(np.median((apart * np.linalg.solve(covariance, apart.T).T).sum(axis=1))) or 1.0
    return solved / spread / usual, -0.5 * (solved * centres).sum(axis=1) / usual
