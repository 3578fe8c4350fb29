"""What one training pass on a data set leaves behind for detectors."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Left by cross-fitting: each fold's rows are judged by a model that never saw them.

    Parameters
    ----------
    data : the rows that were trained on.
    losses : (epochs, n) float32, cross-entropy in nats of each row under the models that train on it,
        by epoch.
    held_out : (n, k) float32, out-of-fold log-probabilities.
    features : (n, d) float32, out-of-fold penultimate features. Rows of different folds come from
        different models: compare them only within a fold (see :meth:`blocks`).
    fold : (n,) int, the fold in which a row was held out.
    """

    data: Dataset
    losses: NDArray[np.float32]
    held_out: NDArray[np.float32]
    features: NDArray[np.float32]
    fold: NDArray[np.int64]

    def __post_init__(self) -> None:
        n, k = len(self.data), len(self.data.classes)
        shapes = {
            "losses": (self.losses.shape[-1:], (n,)),
            "held_out": (self.held_out.shape, (n, k)),
            "features": (self.features.shape[:1], (n,)),
            "fold": (self.fold.shape, (n,)),
        }
        for name, (got, wanted) in shapes.items():
            if got != wanted:
                raise InputError(f"trace: `{name}` must have shape {wanted}. Got {got}.")

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) labels of the rows."""
        return self.data.labels

    def folds(self) -> Iterator[NDArray[np.intp]]:
        """Indices of the rows of each fold: their features come from one model."""
        for fold in np.unique(self.fold):
            yield np.flatnonzero(self.fold == fold)

    def blocks(self) -> Iterator[NDArray[np.intp]]:
        """Indices of the rows of each fold and class: one model, one label."""
        for rows in self.folds():
            for label in np.unique(self.labels[rows]):
                yield rows[self.labels[rows] == label]
