"""Duplicates: equal and nearly equal rows, those with contradicting labels first."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from bezoar.core.data import Dataset, Modality
from bezoar.core.detector import Need, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Index, Level, Validated
from bezoar.detectors.rows.near_rows import near_rows
from bezoar.maths.hashing import Window, near_pairs, window_hashes

# Rows and columns by which a copy may have been moved. The opposite moves are those of the original.
_MOVES = ((0, 1), (1, -1), (1, 0), (1, 1))
# Pixels a side of images whose windows are compared: these then have all frequencies of a hash.
_LEAST_SIDE = 10


def equal_groups(data: Dataset) -> NDArray[np.int64]:
    """(n,) group numbers: rows with equal inputs share one."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row, len(numbers)) for row in data.input_hashes], dtype=np.int64)


def near_twins(data: Dataset, *, radius: int = 3, tolerance: float = 0.1) -> NDArray[np.intp]:
    """Pairs of images that are not equal but nearly so, as they are or once one is moved by a pixel.

    Perceptual hashes propose pairs, pixels decide: images of few strokes have few hashes. A copy that was moved shows
    in a window what the original shows in another, so the hash of each image less its rim is compared with those of the
    windows beside it.

    Parameters
    ----------
    data : a set of images.
    radius : most bits in which the hashes of a pair differ, 0 to 15.
    tolerance : most root-mean-square difference of a pair's pixels, as a share of the root-mean-square contrast of
        the pair's images (their standard deviation).

    Returns
    -------
    (m, 2) row indices i < j.
    """
    images = data.images
    n, _, h, w = images.shape
    windows = [Window(0, 0, h, w)]
    if min(h, w) >= _LEAST_SIDE:
        windows += [Window(1 + down, 1 + right, h - 2, w - 2) for down, right in ((0, 0), *_MOVES)]
    whole, *parts = window_hashes(images, windows)
    proposed = near_pairs(whole, radius)
    found = [proposed[_close(images, images, proposed, tolerance)]]
    if parts:
        inner, *moved = (images[:, :, top : top + tall, left : left + wide] for top, left, tall, wide in windows[1:])
        number, row = np.divmod(near_pairs(np.concatenate(parts), radius), max(1, n))
        for which, other in enumerate(moved, 1):
            proposed = row[(number[:, 0] == 0) & (number[:, 1] == which) & (row[:, 0] != row[:, 1])]
            found.append(np.sort(proposed[_close(inner, other, proposed, tolerance)], axis=1))
    first, second = np.concatenate(found).T
    pairs = np.stack(np.divmod(np.unique(first * n + second), max(1, n)), axis=1)
    hashes = data.input_hashes
    unequal = [hashes[one] != hashes[other] for one, other in pairs.tolist()]
    return np.asarray(pairs[np.array(unequal, dtype=bool)])


def contradictions(data: Dataset) -> tuple[NDArray[np.intp], ...]:
    """Groups of rows with equal inputs but more than one label, each as rising row indices."""
    groups = equal_groups(data)
    order = np.argsort(groups, kind="stable")
    cuts = np.flatnonzero(np.diff(groups[order])) + 1
    return tuple(rows for rows in np.split(order, cuts) if len(np.unique(data.labels[rows])) > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates(Validated):
    """Rows whose twin carries another label, then rows that merely have twins.

    Two equal inputs with different labels cannot both be right; the label in the minority is the likelier error.
    Many copies of one row are a way to give it weight.

    Known limits: near twins are sought among images and table rows; texts are compared for equality only. Near images
    that also differ in more than `radius` bits of their hash are missed, as are copies moved by more than a pixel, or by
    one where an image has fewer than ten a side. Of table rows with more than 32 near twins some
    are counted. Tables of few columns hold honest equal rows.

    Parameters
    ----------
    radius : bits of the 64-bit perceptual hash in which near images may differ.
    tolerance : most difference between the pixels of near images, as a share of their contrast, in (0, 1).
    grain : most difference between two numbers of near table rows, as a share of the column's interquartile range, in
        (0, 1). Other cells of theirs agree, but for blanks and letter case.

    References
    ----------
    Barz and Denzler, "Do we train on test data? Purging CIFAR of near-duplicates", J. Imaging 6, 2020, section 3.
    """

    radius: Index = 3
    tolerance: Level = 0.1
    grain: Level = 0.01

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.INPUTS,)

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,): 2 to 3 for rows with an equal twin of another label, 1 to 2 with a near one, below 1 for mere twins.

        Within each, the share of twins with another label or, for mere twins, a tenth of the share of their group that
        is not the row itself.
        """
        data = trace.data
        groups = equal_groups(data)
        total, other = _group_counts(groups, data.labels)
        if data.modality is Modality.IMAGE:
            near_total, near_other = _pair_counts(
                near_twins(data, radius=self.radius, tolerance=self.tolerance), data.labels
            )
        elif data.modality is Modality.TABLE:
            # Equal rows are near the same ones: one of each is compared.
            _, first = np.unique(groups, return_index=True)
            near_total, near_other = _twin_counts(groups, near_rows(data.table, first, self.grain), data.labels)
        else:
            near_total, near_other = np.zeros_like(total), np.zeros_like(other)
        copies = np.maximum(total, near_total)
        scores = 0.1 * copies / (1 + copies)
        scores = np.where(near_other > 0, 1 + near_other / (1 + near_total), scores)
        return np.where(other > 0, 2 + other / (1 + total), scores)


def _group_counts(groups: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) other rows of a row's group, and (n,) those of them with another label."""
    sizes = np.bincount(groups)[groups]
    cells = groups * (labels.max(initial=0) + 1) + labels
    _, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    return sizes - 1, sizes - counts[inverse]


def _pair_counts(pairs: NDArray[np.intp], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) twins of a row, and (n,) those of them with another label."""
    apart = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
    return np.bincount(pairs.ravel(), minlength=len(labels)), np.bincount(apart.ravel(), minlength=len(labels))


def _close(
    one: NDArray[np.uint8], other: NDArray[np.uint8], pairs: NDArray[np.intp], tolerance: float
) -> NDArray[np.bool_]:
    """Whether the pixels of each pair, (m, 2) indices into these images, differ by no more than the tolerance."""
    close = np.zeros(len(pairs), dtype=bool)
    step = max(1, 2**20 // max(1, math.prod(one.shape[1:])))
    for start in range(0, len(pairs), step):
        block = slice(start, start + step)
        first = one[pairs[block, 0]].reshape(-1, math.prod(one.shape[1:])).astype(np.float32)
        second = other[pairs[block, 1]].reshape(first.shape).astype(np.float32)
        contrast = (first.var(axis=1) + second.var(axis=1)) / 2
        close[block] = (((first - second) ** 2).mean(axis=1) <= tolerance**2 * contrast) & (contrast > 0)
    return close


def _twin_counts(
    groups: NDArray[np.int64], pairs: NDArray[np.intp], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) other rows of a row's group and of those that are paired with it, and (n,) those of them with another label."""
    count, k = groups.max(initial=-1) + 1, labels.max(initial=-1) + 1
    one, other = np.concatenate([pairs, pairs[:, ::-1], np.arange(count)[:, None].repeat(2, axis=1)]).T
    near = coo_array((np.ones(len(one), dtype=np.int64), (one, other)), shape=(count, count)).tocsr()
    rows = coo_array((np.ones(len(groups), dtype=np.int64), (groups, labels)), shape=(count, k)).tocsr()
    total = (near @ np.bincount(groups, minlength=count))[groups]
    return total - 1, total - np.asarray((near @ rows)[groups, labels]).reshape(-1)
