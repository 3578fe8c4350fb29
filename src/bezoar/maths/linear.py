"""Top directions of a class and distances from its robust centre, by the cheapest exact form.

Features come in any precision, memory-mapped or not, and are converted a block of rows at a time: sums are kept in
double precision, and no copy of the whole array is made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, eigsh

Floats = NDArray[np.float64]

# Above this side length a few Lanczos products beat a full Gram matrix and its `eigh`.
_LARGEST_GRAM = 1024
# Most numbers of which a copy in another precision is made, 512 MB in double: Lanczos and the robust centre read all of
# them some ten to thirty times.
_LARGEST_COPY = 2**26
# Numbers that are converted at a time: a block of them stays near the processor.
_BLOCK = 2**20
# Numbers in a piece of which moments are counted by themselves.
_PIECE = 2**23
# Numbers up to which double precision costs too little to do without.
_ALWAYS_DOUBLE = 2**17
# Rows left out are subtracted from the sums unless they outweigh what is left by more than this: then digits would go.
_OUTWEIGHS = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Of `count` rows: their mean (d,) and their scatter (d, d), the sum of squares and products about that mean."""

    count: int
    mean: Floats
    scatter: Floats

    @classmethod
    def of(cls, features: NDArray[Any]) -> "Moments":
        """Of these rows (n, d), n >= 1.

        Where there are more than 131,072 numbers in half or single precision, products are summed in single precision
        within a block of rows, and in double precision over the blocks. They are taken from the mean of the first eighth
        of the rows, and moved from there: however the rows are ordered, no more than a digit is lost by that.
        """
        products = _precision(features)
        some = features[: -(-len(features) // 8)]
        centre = np.asarray(sum(_sum(x) for _, x in _blocks(some, products)) / len(some), dtype=products)
        shift, scatter = np.zeros(len(centre)), np.zeros((len(centre), len(centre)))
        for _, x in _blocks(features, products):
            x = x - centre
            shift += _sum(x)
            scatter += x.T @ x
        shift /= len(features)
        scatter -= len(features) * np.outer(shift, shift)
        return cls(len(features), centre + shift, scatter)

    @classmethod
    def together(cls, parts: Sequence["Moments"]) -> "Moments":
        """Of the rows of all parts, at least one."""
        if len(parts) == 1:
            return parts[0]
        count = sum(part.count for part in parts)
        mean = sum((part.count * part.mean for part in parts[1:]), parts[0].count * parts[0].mean) / count
        scatter = parts[0].about(mean)
        for part in parts[1:]:
            scatter += part.about(mean)
        return cls(count, mean, scatter)

    def about(self, point: Floats) -> Floats:
        """(d, d) sum of squares and products about another point."""
        shift = self.mean - point
        return self.scatter + self.count * np.outer(shift, shift)

    def without(self, other: "Moments") -> "Moments":
        """Of the rows that are left when these others, fewer than all, go."""
        count = self.count - other.count
        mean = (self.count * self.mean - other.count * other.mean) / count
        return Moments(count, mean, self.about(mean) - other.about(mean))


def pieces(n: int, d: int) -> list[slice]:
    """Slices of as many rows each as nearly as can be, so that n rows (n, d) fall into pieces of at most 8,388,608 numbers.

    Moments of the pieces are those of the rows, but for rounding. Whoever counts them piece by piece gets the same digits,
    wherever each piece is counted.
    """
    count = max(1, min(n, -(-n * d // _PIECE)))
    ends = [n * number // count for number in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


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
    return _principal(features, count)[1]


def is_tall(n: int, d: int) -> bool:
    """Whether top directions are read off the moments of so many rows of this width: they are many, and not too wide."""
    return 0 < d <= n and (d <= _LARGEST_GRAM or n * d > _LARGEST_COPY)


def leading_components(features: NDArray[Any], count: int, *, moments: Moments | None = None) -> Floats:
    """Coordinates of the centred rows along their top directions.

    More than 131,072 numbers in half or single precision are projected in single precision.

    Parameters
    ----------
    features : (n, d).
    count : how many, at least 1.
    moments : of these rows, where known and the rows are tall (:func:`is_tall`).

    Returns
    -------
    (n, r), strongest first; r is at most `count`.
    """
    mean, directions = _principal(features, count, moments)
    dtype = _precision(features)
    centre, axes = mean.astype(dtype), directions.T.astype(dtype)
    found = np.empty((len(features), len(directions)))
    for rows, x in _blocks(features, dtype):
        found[rows] = (x - centre) @ axes
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Location:
    """A centre (d,) and the lower Cholesky factor (d, d) of a covariance around it."""

    centre: Floats
    factor: Floats

    def distances(self, features: NDArray[Any]) -> Floats:
        """(n,) squared Mahalanobis distances divided by d: near 1 for rows like those it was made of.

        More than 131,072 numbers in half or single precision are whitened in single precision: an error of about 1e-4 at
        most, where the covariance is as ill-conditioned as shrinking leaves it.
        """
        dtype = _precision(features)
        solve = linalg.get_blas_funcs("trsm", dtype=dtype)
        factor, centre = np.asfortranarray(self.factor, dtype=dtype), self.centre.astype(dtype)
        found = np.empty(len(features))
        for rows, x in _blocks(features, dtype):
            white = solve(1.0, factor, (x - centre).T, lower=True, overwrite_b=True)
            found[rows] = np.einsum("ij,ij->j", white, white) / len(centre)
        return found


def robust_location(
    features: NDArray[Any], *, trim: float = 0.1, steps: int = 2, moments: Moments | None = None
) -> Location:
    """Centre and shrunk covariance of the bulk of the rows.

    Starts at the median with all rows, then `steps` times leaves out the farthest share `trim` and estimates again from
    the rest (a concentration step); the covariance is shrunk towards a multiple of the identity each time, so that
    fewer rows than dimensions are no obstacle.

    Parameters
    ----------
    features : (n, d) of one class, n >= 2, not all equal.
    trim : share of rows left out, in [0, 0.5).
    steps : re-estimations; 0 trusts every row.
    moments : of these rows, where known.

    References
    ----------
    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate Anal.
    88, 2004. Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance determinant estimator",
    Technometrics 41, 1999, section 2 (the concentration step).
    """
    everyone = moments or Moments.of(features)
    centre = _median(features)
    location = _shrunk(everyone, centre, _squares(features, centre))
    kept = max(2, int(np.ceil(len(features) * (1 - trim))))
    for _ in range(steps):
        order = np.argpartition(location.distances(features), kept - 1)
        bulk = np.sort(order[:kept])
        moments = _moments_of_rest(everyone, features, np.sort(order[kept:]), bulk)
        location = _shrunk(moments, moments.mean, _squares(features, moments.mean)[bulk])
    return location


def whitened_distance(
    features: NDArray[Any], *, trim: float = 0.1, steps: int = 2, moments: Moments | None = None
) -> Floats:
    """How far each row lies from the bulk of its class, in units of the class's own spread.

    Parameters as :func:`robust_location`, but any n >= 0.

    Returns
    -------
    (n,) >= 0, about 1 for ordinary rows, higher is farther out; all 0 where there is no spread to measure by.
    """
    if features.dtype == np.float16 and features.size <= _LARGEST_COPY:
        features = features.astype(np.float32)  # it is read some ten times
    if len(features) < 2 or (features == features[0]).all():
        return np.zeros(len(features))
    return robust_location(features, trim=trim, steps=steps, moments=moments).distances(features)


def _principal(features: NDArray[Any], count: int, moments: Moments | None = None) -> tuple[Floats, Floats]:
    """The mean (d,) and the top directions (r, d)."""
    n, d = features.shape
    side = min(n, d)
    count = min(count, side)
    if not side:
        return np.zeros(d), np.empty((0, d))
    if is_tall(n, d):
        moments = moments or Moments.of(features)
        # Their pairs in no higher precision than their products.
        values, vectors = _top_pairs(moments.scatter.astype(_precision(features)), count)
        mean, directions = moments.mean, vectors.T
    else:
        x = features.astype(np.float64)
        mean = x.mean(axis=0)
        x -= mean
        values, vectors = _top_pairs(x @ x.T if side <= _LARGEST_GRAM else _square(x), count)
        lengths = np.sqrt(np.maximum(values, np.finfo(np.float64).tiny))
        directions = vectors.T if d <= n else (x.T @ vectors / lengths).T
    # Gram matrices square the condition number: below this an eigenvalue is rounding, of the products or of the mean.
    eps = np.finfo(np.float64).eps
    rounding = eps * max(values[0] * side, n * d * eps * (mean**2).max())
    if is_tall(n, d):
        rounding = max(rounding, values[0] * float(np.finfo(_precision(features)).eps))
    return mean, np.asarray(directions[values > rounding], dtype=np.float64)


def _square(x: Floats) -> LinearOperator:
    """The smaller Gram matrix of a large `x` as products, never formed."""
    n, d = x.shape
    if d <= n:
        return LinearOperator((d, d), matvec=lambda v: x.T @ (x @ v), dtype=np.float64)
    return LinearOperator((n, n), matvec=lambda v: x @ (x.T @ v), dtype=np.float64)


def _top_pairs(square: NDArray[np.floating[Any]] | LinearOperator, count: int) -> tuple[Floats, Floats]:
    """Eigenvalues (count,), falling, and their vectors (side, count), of a matrix or of products with one."""
    side = square.shape[0]
    if isinstance(square, np.ndarray) and (side <= _LARGEST_GRAM or count >= side - 1):
        values, vectors = linalg.eigh(square, subset_by_index=(side - count, side - 1), check_finite=False)
    else:
        # A fixed start makes Lanczos repeatable; a ramp is orthogonal to no eigenvector by symmetry.
        values, vectors = eigsh(square, k=count, v0=np.linspace(1.0, 2.0, side))
    order = np.argsort(values)[::-1]
    return values[order], vectors[:, order]


def _squares(features: NDArray[Any], centre: Floats) -> Floats:
    """(n,) squared lengths of the rows from this centre."""
    dtype = _precision(features)
    middle, found = centre.astype(dtype), np.empty(len(features))
    for rows, x in _blocks(features, dtype):
        x = x - middle
        found[rows] = np.einsum("ij,ij->i", x, x)
    return found


def _shrunk(moments: Moments, centre: Floats, squares: Floats) -> Location:
    """Around `centre`, by the shrunk covariance of the rows with these moments and squared lengths (n,) from there.

    The formulas of Ledoit and Wolf, lemma 3.1 and section 3.3, with the sum over all products of squared features taken
    row by row: it is the sum of the rows' squared lengths squared.
    """
    n, d = moments.count, len(centre)
    covariance = moments.about(centre) / n
    spread = float(np.trace(covariance)) / d
    if spread == 0.0:  # the trimmed bulk can be one point repeated
        return Location(centre, np.eye(d) * np.sqrt(np.finfo(np.float64).eps))
    square = float((covariance**2).sum())
    apart = square - d * spread**2
    noise = min((float((squares**2).sum()) / n - square) / n, apart)
    shrinkage = noise / apart if noise > 0 else 0.0
    covariance *= 1 - shrinkage
    # The ridge keeps the factor defined where nothing is shrunk and a feature is constant.
    covariance.flat[:: d + 1] += (shrinkage + 1e-9) * spread
    return Location(centre, linalg.cholesky(covariance, lower=True, check_finite=False))


def _moments_of_rest(
    everyone: Moments, features: NDArray[Any], left_out: NDArray[np.intp], rest: NDArray[np.intp]
) -> Moments:
    """Of the rest of the rows, from those that are left out, being fewer, unless these are so far out that digits go."""
    if not len(left_out):
        return everyone
    gone = Moments.of(features[left_out])
    moments = everyone.without(gone)
    outweighed = np.trace(gone.about(moments.mean)) > _OUTWEIGHS * np.trace(moments.scatter)
    return Moments.of(features[rest]) if outweighed else moments


def _median(features: NDArray[Any]) -> Floats:
    """(d,) exactly, a block of columns at a time: a column that lies in one piece is searched three times as fast."""
    n, d = features.shape
    high = n // 2
    median = np.empty(d)
    step = max(1, _BLOCK // n)
    for start in range(0, d, step):
        columns = np.array(features[:, start : start + step].T, dtype=np.promote_types(features.dtype, np.float32))
        # One place is found much faster than two; its neighbour is the largest number before it.
        columns.partition(high, axis=1)
        above = columns[:, high].astype(np.float64)
        median[start : start + step] = above if n % 2 else (above + columns[:, :high].max(axis=1)) / 2
    return median


def _sum(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """(d,) over the rows, as a product, which is faster."""
    return np.asarray(np.ones(len(x), x.dtype) @ x)


def _precision(features: NDArray[Any]) -> type[np.floating[Any]]:
    """Double for doubles, and where it costs little; else single."""
    return np.float64 if features.dtype == np.float64 or features.size <= _ALWAYS_DOUBLE else np.float32


def _blocks(features: NDArray[Any], dtype: Any = np.float64) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Slices of rows, and the rows in this precision; they may be the caller's own."""
    step = max(1, _BLOCK // max(1, features.shape[1]))
    for start in range(0, len(features), step):
        rows = slice(start, start + step)
        yield rows, np.asarray(features[rows], dtype=dtype)
