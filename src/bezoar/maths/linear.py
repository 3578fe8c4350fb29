"""Top directions of a class and distances from its robust centre, by the cheapest exact form."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.covariance import ledoit_wolf

Floats = NDArray[np.float64]

# Above this side length a few Lanczos products beat a full Gram matrix and its `eigh`.
_LARGEST_GRAM = 1024


def top_directions(features: NDArray[Any], count: int = 1) -> Floats:
    """Leading right singular vectors of the rows less their mean.

    The eigenvectors of whichever Gram matrix is smaller, or Lanczos where both are large. Exact up to rounding; no
    randomness.

    Parameters
    ----------
    features : (n, d).
    count : how many, at least 1.

    Returns
    -------
    (r, d) orthonormal rows, strongest first; r is `count` or the rank if that is less (0 where all rows are equal).
    """
    x = _centred(features)
    n, d = x.shape
    side = min(n, d)
    scale = float(np.abs(x).max(initial=0.0))
    if scale == 0.0:
        return np.empty((0, d))
    x = x / scale
    count = min(count, side)
    if side <= _LARGEST_GRAM or count >= side - 1:
        gram = x.T @ x if d <= n else x @ x.T
        values, vectors = linalg.eigh(gram, subset_by_index=(side - count, side - 1))
    else:
        square = LinearOperator((d, d), matvec=lambda v: x.T @ (x @ v), dtype=np.float64) if d <= n else None
        square = square or LinearOperator((n, n), matvec=lambda v: x @ (x.T @ v), dtype=np.float64)
        # A fixed start makes Lanczos repeatable; a ramp is orthogonal to no eigenvector by symmetry.
        values, vectors = eigsh(square, k=count, v0=np.linspace(1.0, 2.0, side))
    order = np.argsort(values)[::-1]
    values, vectors = values[order], vectors[:, order]
    # Gram matrices square the condition number: below this an eigenvalue is rounding.
    kept = values > values[0] * side * np.finfo(np.float64).eps
    rows = vectors[:, kept].T if d <= n else (x.T @ vectors[:, kept] / np.sqrt(values[kept])).T
    return np.asarray(rows, dtype=np.float64)


def spectral_scores(features: NDArray[Any], directions: int = 1) -> Floats:
    """Squared length of each centred row along the top directions: the outlier score of spectral signatures.

    Adding a constant to all rows changes nothing.

    Parameters
    ----------
    features : (n, d) of one class.
    directions : how many top directions, at least 1.

    Returns
    -------
    (n,) >= 0, higher is farther out; all 0 where all rows are equal.

    References
    ----------
    Tran, Li and Madry, "Spectral signatures in backdoor attacks", NeurIPS 2018, algorithm 1.
    """
    x = _centred(features)
    return np.asarray(((x @ top_directions(x, directions).T) ** 2).sum(axis=1), dtype=np.float64)


def leading_components(features: NDArray[Any], count: int) -> Floats:
    """(n, r) coordinates of the centred rows along their top directions; r is at most `count`."""
    x = _centred(features)
    return np.asarray(x @ top_directions(x, count).T, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Location:
    """A centre (d,) and the lower Cholesky factor (d, d) of a covariance around it."""

    centre: Floats
    factor: Floats

    def distances(self, features: NDArray[Any]) -> Floats:
        """(n,) squared Mahalanobis distances divided by d: near 1 for rows like those it was made of."""
        residual = features.astype(np.float64) - self.centre
        white = linalg.solve_triangular(self.factor, residual.T, lower=True, check_finite=False)
        return np.asarray((white**2).mean(axis=0), dtype=np.float64)


def robust_location(features: NDArray[Any], *, trim: float = 0.1, steps: int = 2) -> Location:
    """Centre and shrunk covariance of the bulk of the rows.

    Starts at the median with all rows, then `steps` times leaves out the farthest share `trim` and estimates again from
    the rest (a concentration step); the covariance is shrunk towards a multiple of the identity each time, so that
    fewer rows than dimensions are no obstacle.

    Parameters
    ----------
    features : (n, d) of one class, n >= 2, not all equal.
    trim : share of rows left out, in [0, 0.5).
    steps : re-estimations; 0 trusts every row.

    References
    ----------
    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate Anal.
    88, 2004. Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance determinant estimator",
    Technometrics 41, 1999, section 2 (the concentration step).
    """
    x = features.astype(np.float64)
    location = _location(x, np.median(x, axis=0))
    kept = max(2, int(np.ceil(len(x) * (1 - trim))))
    for _ in range(steps):
        bulk = x[np.argpartition(location.distances(x), kept - 1)[:kept]]
        location = _location(bulk, bulk.mean(axis=0))
    return location


def whitened_distance(features: NDArray[Any], *, trim: float = 0.1, steps: int = 2) -> Floats:
    """How far each row lies from the bulk of its class, in units of the class's own spread.

    Parameters as :func:`robust_location`, but any n >= 0.

    Returns
    -------
    (n,) >= 0, about 1 for ordinary rows, higher is farther out; all 0 where there is no spread to measure by.
    """
    if len(features) < 2 or not np.ptp(features, axis=0).any():
        return np.zeros(len(features))
    return robust_location(features, trim=trim, steps=steps).distances(features)


def _centred(features: NDArray[Any]) -> Floats:
    x = np.asarray(features, dtype=np.float64)
    return x - x.mean(axis=0) if len(x) else x


def _location(x: Floats, centre: Floats) -> Location:
    residual = x - centre
    spread = float((residual**2).mean())
    if spread == 0.0:  # the trimmed bulk can be one point repeated
        return Location(centre, np.eye(x.shape[1]) * np.sqrt(np.finfo(np.float64).eps))
    covariance, _ = ledoit_wolf(residual, assume_centered=True)
    # The ridge keeps the factor defined where Ledoit-Wolf shrinks by nothing and a feature is constant.
    ridge = 1e-9 * spread
    return Location(centre, linalg.cholesky(covariance + ridge * np.eye(len(covariance)), lower=True))
