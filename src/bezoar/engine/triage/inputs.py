"""Failing and reference inputs as a triage looks at them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Inputs on which the model does what it should, or was supposed to.

    Parameters
    ----------
    images : (n, c, h, w) uint8.
    labels : (n,) their classes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def halves(self, rng: np.random.Generator) -> tuple["Reference", "Reference"]:
        """Two parts at random."""
        order = rng.permutation(len(self.labels))
        first, second = np.sort(order[::2]), np.sort(order[1::2])
        return tuple(Reference(images=self.images[rows], labels=self.labels[rows]) for rows in (first, second))  # type: ignore[return-value]  # two of them

    def like(self, failing: "Failing", rng: np.random.Generator, times: int = 4) -> NDArray[np.uint8]:
        """(m, c, h, w) images of the same classes as failing ones, `times` as many, drawn again and again; none of others.

        Classes of which there is no reference are left out.
        """
        drawn = []
        for label, count in zip(*np.unique(failing.labels, return_counts=True), strict=True):
            rows = np.flatnonzero(self.labels == label)
            if len(rows):
                drawn.append(rng.choice(rows, times * int(count)))
        return self.images[np.concatenate(drawn)] if drawn else self.images[:0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Failing:
    """Inputs that the model gets wrong.

    Parameters
    ----------
    images : (n, c, h, w) uint8.
    labels : (n,) their true classes.
    log_probabilities : (n, k) of the model.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    log_probabilities: NDArray[np.float32]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) the class that each is taken for."""
        return np.asarray(self.log_probabilities.argmax(axis=1))

    def only(self, rows: NDArray[np.bool_]) -> "Failing":
        """Some of them."""
        return Failing(
            images=self.images[rows], labels=self.labels[rows], log_probabilities=self.log_probabilities[rows]
        )
