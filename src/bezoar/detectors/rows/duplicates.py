"""Duplicates: equal and nearly equal rows, those with contradicting labels first."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from bezoar.core.data import Dataset, Modality
from bezoar.core.detector import Need, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Index, Level, Validated
from bezoar.detectors.rows.near_images import near_images
from bezoar.detectors.rows.near_rows import near_rows


def equal_groups(data: Dataset) -> NDArray[np.int64]:
    """(n,) group numbers: rows with equal inputs share one."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row, len(numbers)) for row in data.input_hashes], dtype=np.int64)


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
        # Equal rows are near the same ones: one of each is compared.
        _, first = np.unique(groups, return_index=True)
        if data.modality is Modality.IMAGE:
            pairs = near_images(data.images, first, self.radius, self.tolerance)
        elif data.modality is Modality.TABLE:
            pairs = near_rows(data.table, first, self.grain)
        else:
            pairs = np.empty((0, 2), dtype=np.intp)
        near_total, near_other = _twin_counts(groups, pairs, data.labels)
        scores = 0.1 * near_total / (1 + near_total)
        scores = np.where(near_other > 0, 1 + near_other / (1 + near_total), scores)
        return np.where(other > 0, 2 + other / (1 + total), scores)


def _group_counts(groups: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) other rows of a row's group, and (n,) those of them with another label."""
    sizes = np.bincount(groups)[groups]
    cells = groups * (labels.max(initial=0) + 1) + labels
    _, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    return sizes - 1, sizes - counts[inverse]


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
