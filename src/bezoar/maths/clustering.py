"""Does a class fall into two clusters, more than one bell-shaped cloud would?"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 30
# Share of rows at the end of an axis that a start takes for the small cluster.
_TAIL = 0.03
# Rows up to which Gaussian clouds are drawn; beyond, what they would show is known well enough.
_MOST_DRAWN = 1_500
# The best silhouette of n Gaussian rows exceeds that of the infinite cloud by this and, as standard deviation, this, over
# the root of n. Both are the largest found for clouds of one to six axes, round ones included (0.75 and 0.46).
_CHANCE_MEAN = 0.8
_CHANCE_DEVIATION = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Two clusters of n rows.

    Parameters
    ----------
    small : (n,) bool, rows in the smaller cluster.
    silhouettes : (n,) in [-1, 1], how much better a row fits its own cluster than the other.
    """

    small: NDArray[np.bool_]
    silhouettes: Floats

    @property
    def silhouette(self) -> float:
        """Mean silhouette of the two clusters, each weighing the same: a small cluster is not drowned."""
        return float((self.silhouettes[self.small].mean() + self.silhouettes[~self.small].mean()) / 2)

    @property
    def share(self) -> float:
        """Size of the smaller cluster as a share of all rows."""
        return float(self.small.mean())


def silhouettes(x: NDArray[np.float64], member: NDArray[np.bool_]) -> Floats:
    """Exact silhouettes of two clusters under the squared Euclidean distance, in O(n d).

    The mean squared distance of a point to a cluster follows from the cluster's mean and mean square alone, so no pair
    is ever visited.

    Parameters
    ----------
    x : (n, d).
    member : (n,) bool, True in one cluster, False in the other; neither is empty.

    Returns
    -------
    (n,) in [-1, 1]; 0 for the only row of a cluster.

    References
    ----------
    Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20, 1987.
    """
    x = x - x.mean(axis=0)
    square = np.einsum("ij,ij->i", x, x)
    size = int(np.count_nonzero(member))
    sizes = (size, len(x) - size)
    # One cluster's mean is the other's, on the far side of the middle of all rows.
    inside = x.T @ member / size
    towards = x @ inside
    within = member @ square / size
    without = (square.sum() - within * size) / sizes[1]
    first = square - 2 * towards + within
    second = square + 2 * towards * (size / sizes[1]) + without
    # The mean over a row's own cluster leaves the row itself, at distance 0, out.
    own = np.where(member, first * (size / max(size - 1, 1)), second * (sizes[1] / max(sizes[1] - 1, 1)))
    other = np.where(member, second, first)
    larger = np.maximum(own, other)
    values = np.divide(other - own, larger, out=np.zeros(len(x)), where=larger > 0)
    if min(sizes) == 1:
        values[member if size == 1 else ~member] = 0.0
    return np.asarray(np.clip(values, -1.0, 1.0), dtype=np.float64)


def split_in_two(x: NDArray[np.float64]) -> Split | None:
    """The two clusters with the best silhouette among 2-means solutions from many starts.

    The starts take either end of every axis for the small cluster (and the halves along the first), so `x` should hold
    principal components. Judging by the silhouette instead of by inertia lets a far, tiny cluster win over halving the
    large one. No randomness.

    Parameters
    ----------
    x : (n, d), n >= 4 for a split to exist.

    Returns
    -------
    None where no start leaves two clusters of at least two rows.

    References
    ----------
    Ding and He, "K-means clustering via principal component analysis", ICML 2004 (why these starts).
    """
    n, d = x.shape
    if n < 4 or d == 0:
        return None
    tail = max(2, int(np.ceil(_TAIL * n)))
    columns = np.ascontiguousarray(x.T)
    order = np.argpartition(columns, (tail - 1, n - tail), axis=1)
    groups = [*order[:, :tail], *order[:, n - tail :], np.argpartition(columns[0], n // 2 - 1)[: n // 2]]
    # A column of ones: one product gives the sums and the sizes of all clusters.
    rows = np.column_stack([x, np.ones(n)])
    total = rows.sum(axis=0)
    sums = np.stack([rows[group].sum(axis=0) for group in groups])
    member = np.zeros((len(groups), n), dtype=bool)
    moving = np.arange(len(groups))
    for _ in range(_STEPS):
        first, second = (side[:, :d] / side[:, d:].clip(1, n - 1) for side in (sums[moving], total - sums[moving]))
        # Nearer to the first centre than to the second, for all starts that still move at once.
        nearer = 2 * (first - second) @ columns > (first**2 - second**2).sum(axis=1)[:, None]
        member[moving] = nearer
        found = nearer.astype(np.float64) @ rows
        still = (found == sums[moving]).all(axis=1)
        sums[moving] = found
        moving = moving[~still]
        if not len(moving):
            break
    sizes = sums[:, d]
    # Many starts end in the same two clusters, whichever of them comes first.
    unique = {(row ^ row[0]).tobytes(): row for row in member[(sizes >= 2) & (sizes <= n - 2)]}
    splits = [_split(x, row) for row in unique.values()]
    return max(splits, key=lambda split: split.silhouette, default=None)


def excess_silhouette(x: NDArray[np.float64], split: Split, rng: np.random.Generator, *, draws: int = 19) -> float:
    """How far a split's silhouette lies beyond those of one Gaussian cloud with the same variances.

    Up to 1,500 rows the bar is the best of `draws` Gaussian clouds that are split in the same way. Beyond, where a cloud
    has its best split across its longest axis, it is the silhouette of that split (:func:`gaussian_silhouette`) and a
    margin for what chance adds to it: the same odds of passing it, at no cost.

    Parameters
    ----------
    x : (n, d) uncorrelated columns, such as principal components.
    split : of `x`.
    draws : a Gaussian class gets above 0 in at most 1 of `draws` + 1 cases.

    Returns
    -------
    In [0, 1]: 0 is the verdict "one cluster", 1 two points.

    References
    ----------
    Tibshirani, Walther and Hastie, "Estimating the number of clusters in a data set via the gap statistic", JRSS B 63,
    2001 (the idea of a reference cloud).
    """
    spread = x.std(axis=0)
    bar = 0.0
    if len(x) > _MOST_DRAWN:
        chance = _CHANCE_MEAN + _CHANCE_DEVIATION * NormalDist().inv_cdf(1 - 1 / (draws + 1))
        bar = min(gaussian_silhouette(spread**2) + chance / np.sqrt(len(x)), 1.0)
        draws = 0
    for _ in range(draws):
        reference = split_in_two(rng.standard_normal(x.shape) * spread)
        bar = max(bar, reference.silhouette if reference else 0.0)
        if bar >= split.silhouette:
            return 0.0
    return max(0.0, (split.silhouette - bar) / (1 - bar)) if bar < 1 else 0.0


def gaussian_silhouette(variances: Floats) -> float:
    """Mean silhouette of an infinite Gaussian cloud that is cut in half across its longest axis.

    A row at x on that axis and squared distance Q from it has the silhouette 4 x m / (x^2 + Q + 2 x m + V) with m the
    distance of the halves' means from the middle and V the sum of variances: the squared distance of two random rows of
    the cloud is 2 V. The mean over Q comes from 1 / a = integral of exp(-t a), the mean over x from quadrature.

    Parameters
    ----------
    variances : (d,) of the axes, not all 0.

    Returns
    -------
    In (0, 1); .709 for one axis, less for every further one.
    """
    longest, *others = np.sort(variances / variances.sum())[::-1]
    nodes, weights = np.polynomial.legendre.leggauss(32)
    # Half of a bell curve, nine deviations far; and t from 0 to infinity as u / (1 - u).
    z, u = 4.5 * (nodes + 1), (nodes + 1) / 2
    density = 4.5 * weights * 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    x, mean = z * np.sqrt(longest), np.sqrt(2 * longest / np.pi)
    t = u / (1 - u)
    moments = weights / 2 / (1 - u) ** 2 / np.sqrt(np.prod([1 + 2 * other * t for other in others], axis=0))
    inverse = np.exp(-np.outer(x**2 + 2 * x * mean + 1, t)) @ moments
    return float(density @ (4 * x * mean * inverse))


def _split(x: Floats, member: NDArray[np.bool_]) -> Split:
    small = member if 2 * member.sum() <= len(member) else ~member
    return Split(small, silhouettes(x, small))
