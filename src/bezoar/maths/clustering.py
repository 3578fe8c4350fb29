"""Does a class fall into two clusters, more than one bell-shaped cloud would?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 30
# Share of rows at the end of an axis that a start takes for the small cluster.
_TAIL = 0.03


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
    square = (x**2).sum(axis=1)
    means = np.empty((2, len(x)))
    for side, rows in enumerate((~member, member)):
        means[side] = square - 2 * x @ x[rows].mean(axis=0) + square[rows].mean()
    sizes = np.array([(~member).sum(), member.sum()])
    mine, everyone = member.astype(int), np.arange(len(x))
    size = sizes[mine]
    # The mean over a row's own cluster leaves the row itself, at distance 0, out.
    own = means[mine, everyone] * size / np.maximum(size - 1, 1)
    other = means[1 - mine, everyone]
    larger = np.maximum(own, other)
    values = np.divide(other - own, larger, out=np.zeros(len(x)), where=larger > 0)
    return np.where(size > 1, np.clip(values, -1.0, 1.0), 0.0)


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
    order = np.argsort(x, axis=0)
    groups = [order[:tail, axis] for axis in range(d)] + [order[-tail:, axis] for axis in range(d)]
    groups.append(order[: n // 2, 0])
    total = x.sum(axis=0)
    sums = np.stack([x[group].sum(axis=0) for group in groups])
    counts = np.array([len(group) for group in groups], dtype=np.float64)[:, None]
    member = np.zeros((n, len(groups)), dtype=bool)
    for _ in range(_STEPS):
        first, second = sums / counts, (total - sums) / (n - counts)
        # Nearer to the first centre than to the second, for all starts at once.
        nearer = 2 * x @ (first - second).T > (first**2 - second**2).sum(axis=1)
        if (nearer == member).all():
            break
        member = nearer
        counts = np.clip(member.sum(axis=0), 1, n - 1).astype(np.float64)[:, None]
        sums = member.T.astype(np.float64) @ x
    sizes = member.sum(axis=0)
    columns = member[:, (sizes >= 2) & (sizes <= n - 2)].T
    # Many starts end in the same two clusters, whichever of them comes first.
    unique = {(column ^ column[0]).tobytes(): column for column in columns}
    splits = [_split(x, column) for column in unique.values()]
    return max(splits, key=lambda split: split.silhouette, default=None)


def excess_silhouette(x: NDArray[np.float64], split: Split, rng: np.random.Generator, *, draws: int = 19) -> float:
    """How far a split's silhouette lies beyond those of one Gaussian cloud with the same variances.

    Parameters
    ----------
    x : (n, d) uncorrelated columns, such as principal components.
    split : of `x`.
    draws : Gaussian clouds that are split in the same way; their maximum is the bar.

    Returns
    -------
    In [0, 1]: 0 is the verdict "one cluster", 1 two points. A Gaussian class gets above 0 in 1 of `draws` + 1 cases.

    References
    ----------
    Tibshirani, Walther and Hastie, "Estimating the number of clusters in a data set via the gap statistic", JRSS B 63,
    2001 (the idea of a reference cloud).
    """
    spread = x.std(axis=0)
    bar = 0.0
    for _ in range(draws):
        reference = split_in_two(rng.standard_normal(x.shape) * spread)
        bar = max(bar, reference.silhouette if reference else 0.0)
        if bar >= split.silhouette:
            return 0.0
    return (split.silhouette - bar) / (1 - bar)


def _split(x: Floats, member: NDArray[np.bool_]) -> Split:
    small = member if 2 * member.sum() <= len(member) else ~member
    return Split(small, silhouettes(x, small))
