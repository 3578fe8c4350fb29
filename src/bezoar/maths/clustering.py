"""Does a class fall into two clusters, more than one bell-shaped cloud would?"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bezoar.maths.two_means import Singles, two_means

Floats = NDArray[np.float64]

# The least squared coefficient of variation of the distances from a point to one side of which a density falls.
_UNIMODAL = 1 / 3
# Rows up to which Gaussian clouds are drawn; beyond, what they would show is known well enough.
_MOST_DRAWN = 1_500
# The best silhouette of n Gaussian rows exceeds that of the infinite cloud by this and, as standard deviation, this, over
# the root of n. Both are the largest found for clouds of one to six axes, round ones included (0.75 and 0.46).
_CHANCE_MEAN = 0.8
_CHANCE_DEVIATION = 0.5
# Gauss-Legendre nodes and weights (32,) on [-1, 1].
_QUADRATURE = np.polynomial.legendre.leggauss(32)


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
    member : (n,) or, for s ways to part the rows, (s, n) bool, True in one cluster, False in the other; neither is empty.

    Returns
    -------
    (n,) or (s, n) in [-1, 1]; 0 for the only row of a cluster.

    References
    ----------
    Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20, 1987.
    """
    x = x - x.mean(axis=0)
    square = np.einsum("ij,ij->i", x, x)
    size = np.count_nonzero(member, axis=-1)[..., None]
    rest = len(x) - size
    weights = member.astype(np.float64)
    # One cluster's mean is the other's, on the far side of the middle of all rows.
    towards = 2 * (weights @ x / size) @ x.T
    within = (weights @ square)[..., None] / size
    without = (square.sum() - within * size) / rest
    first = square + within - towards
    second = square + without + towards * (size / rest)
    # The mean over a row's own cluster leaves the row itself, at distance 0, out.
    own = np.where(member, first * (size / np.maximum(size - 1, 1)), second * (rest / np.maximum(rest - 1, 1)))
    other = np.where(member, second, first)
    larger = np.maximum(own, other)
    values = np.divide(other - own, larger, out=np.zeros(member.shape), where=larger > 0)
    alone = np.where(member, size, rest) == 1 if min(size.min(), rest.min()) == 1 else False
    return np.where(alone, 0.0, np.clip(values, -1.0, 1.0, out=values))


def split_each(clouds: Sequence[NDArray[np.float64]]) -> list[Split | None]:
    """Of the places where 2-means ends in each cloud, the one with a valley that has the best silhouette.

    Judging by the silhouette instead of by inertia lets a far, tiny cluster win over halving the large one.

    Where a density has a single mode, it falls all the way from the boundary on one side at least, and distances from
    there are a mixture of uniform ones that begin at 0: their mean square is at least 4/3 of their squared mean. There is
    a valley where it is less on both sides.

    Parameters
    ----------
    clouds : (n, d) each, at least one, principal components as :func:`two_means` takes them.

    Returns
    -------
    For each cloud; None where no start leaves two clusters of at least two rows with a valley between them.

    References
    ----------
    Feller, "An introduction to probability theory and its applications" II, 2nd edition, 1971, section V.9 (Khinchine: a
    distribution has a single mode at 0 exactly if it is a mixture of uniform ones that begin there).
    """
    return [_clearest(*each) for each in zip(clouds, two_means(clouds, variation=_UNIMODAL), strict=True)]


def _clearest(x: NDArray[np.float64], heights: Singles) -> Split | None:
    """Of the splits of `x` by the signs of heights (s, n), the one with the best silhouette."""
    if not len(heights):
        return None
    member = heights > 0
    values = silhouettes(x, member)
    size = member.sum(axis=1)
    inside = np.einsum("ij,ij->i", values, member)
    best = int(np.argmax(inside / size + (values.sum(axis=1) - inside) / (len(x) - size)))
    return Split(member[best] if 2 * size[best] <= len(x) else ~member[best], values[best])


def excess_silhouettes(
    clouds: Sequence[NDArray[np.float64]],
    splits: Sequence[Split],
    rngs: Sequence[np.random.Generator],
    *,
    draws: int = 19,
) -> list[float]:
    """How far the silhouettes of splits lie beyond those of one Gaussian cloud with the same variances.

    Up to 1,500 rows the bar is the best of `draws` Gaussian clouds that are split in the same way, with a valley or
    without. Beyond, where a cloud has its best split across its longest axis, it is the silhouette of that split
    (:func:`gaussian_silhouette`) and a margin for what chance adds to it: the same odds of passing it, at no cost.

    Parameters
    ----------
    clouds : (n, d) each, uncorrelated columns such as principal components.
    splits : of the clouds.
    rngs : a stream for each, so that no cloud's bar depends on the others.
    draws : a Gaussian class gets above 0 in at most 1 of `draws` + 1 cases.

    Returns
    -------
    For each in [0, 1]: 0 is the verdict "one cluster", 1 two points.

    References
    ----------
    Tibshirani, Walther and Hastie, "Estimating the number of clusters in a data set via the gap statistic", JRSS B 63,
    2001 (the idea of a reference cloud).
    """
    spreads = [x.std(axis=0) for x in clouds]
    bars = [
        _expected(spread**2, len(x), draws) if len(x) > _MOST_DRAWN else 0.0
        for x, spread in zip(clouds, spreads, strict=True)
    ]
    passing = [number for number, x in enumerate(clouds) if len(x) <= _MOST_DRAWN]
    some = 1
    # Twice as many every time: most bars that are too high are so at once.
    while draws and passing:
        asked = np.repeat(passing, some).tolist()
        references = [rngs[number].standard_normal(clouds[number].shape) * spreads[number] for number in asked]
        for number, x, heights in zip(asked, references, two_means(references), strict=True):
            if (best := _clearest(x, heights)) is not None:
                bars[number] = max(bars[number], best.silhouette)
        passing = [number for number in passing if bars[number] < splits[number].silhouette]
        draws -= some
        some = min(2 * some, draws)
    return [
        max(0.0, (split.silhouette - bar) / (1 - bar)) if bar < 1 else 0.0
        for split, bar in zip(splits, bars, strict=True)
    ]


def _expected(variances: Floats, n: int, draws: int) -> float:
    """The best silhouette among as many splits of `draws` Gaussian clouds of n rows, n being large."""
    chance = _CHANCE_MEAN + _CHANCE_DEVIATION * NormalDist().inv_cdf(1 - 1 / (draws + 1))
    return float(min(gaussian_silhouette(variances) + chance / np.sqrt(n), 1.0))


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
    nodes, weights = _QUADRATURE
    # Half of a bell curve, nine deviations far; and t from 0 to infinity as u / (1 - u).
    z, u = 4.5 * (nodes + 1), (nodes + 1) / 2
    density = 4.5 * weights * 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    x, mean = z * np.sqrt(longest), np.sqrt(2 * longest / np.pi)
    t = u / (1 - u)
    moments = weights / 2 / (1 - u) ** 2 / np.sqrt(np.prod([1 + 2 * other * t for other in others], axis=0))
    inverse = np.exp(-np.outer(x**2 + 2 * x * mean + 1, t)) @ moments
    return float(density @ (4 * x * mean * inverse))
