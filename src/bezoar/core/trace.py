"""What one training pass on a data set leaves behind for detectors."""

from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError

Result = TypeVar("Result")


class Shared:
    """What several readers of a trace need and one of them computes. Safe to use from threads; left behind by pickling."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._results: dict[Hashable, Future[Any]] = {}

    def __reduce__(self) -> tuple[type["Shared"], tuple[()]]:
        return Shared, ()

    def once(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """The result of `make` for this key: computed by the first who asks, while others wait. Errors are not kept."""
        with self._lock:
            known = self._results.get(key)
            mine = known or self._results.setdefault(key, Future())
        if known is not None:
            return cast("Result", known.result())
        try:
            mine.set_result(make())
        except BaseException as error:
            with self._lock:
                del self._results[key]
            mine.set_exception(error)
            raise
        return cast("Result", mine.result())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Left by cross-fitting: each fold's rows are judged by a model that never saw them.

    Parameters
    ----------
    data : the rows that were trained on.
    losses : (epochs, n) float32, cross-entropy in nats of each row under the models that train on it,
        by epoch.
    held_out : (n, k) float32, out-of-fold log-probabilities.
    features : (n, d) float16, float32 or float64, out-of-fold penultimate features; a read-only ``numpy.memmap`` will
        do. Rows of different folds come from different models: compare them only within a fold (see :meth:`blocks`).
    fold : (n,) int, the fold in which a row was held out.

    Attributes
    ----------
    shared : what detectors compute from the trace for each other, once; no part of the trace itself.
    """

    data: Dataset
    losses: NDArray[np.float32]
    held_out: NDArray[np.float32]
    features: NDArray[np.floating[Any]]
    fold: NDArray[np.int64]
    shared: Shared = field(init=False, repr=False, default_factory=Shared)

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
        if self.features.dtype.kind != "f":
            raise InputError(f"trace: `features` must be floating-point numbers. Got {self.features.dtype}.")

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
        block = (self.fold - self.fold.min(initial=0)) * len(self.data.classes) + self.labels
        # Numbers of two bytes are sorted by their digits, in a tenth of the time.
        block = block.astype(np.min_scalar_type(block.max(initial=0)))
        order = np.argsort(block, kind="stable")
        if len(order):
            yield from np.split(order, np.flatnonzero(np.diff(block[order])) + 1)

    def block_of(self, rows: Any) -> NDArray[np.int64]:
        """Numbers of the blocks in which rows at an index, an array of indices or a slice are: the same whatever others there are."""
        numbers: NDArray[np.int64] = self.fold[rows] * len(self.data.classes) + self.labels[rows]
        return numbers
