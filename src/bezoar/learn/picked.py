"""Some rows of a set of images, copied only when they are asked for."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Images(Protocol):
    """Images (n, c, h, w) uint8: an array, or :class:`Picked` rows of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c, h, w)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        """Images at an array of indices or a slice."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """The rows of `images` at `rows`, in this order. A copy of them would take as much memory again.

    Pickled, it is these rows alone.
    """

    images: NDArray[np.uint8]
    rows: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c, h, w)."""
        return (len(self.rows), *self.images.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        images: NDArray[np.uint8] = self.images[self.rows[rows]]
        return images

    def __reduce__(self) -> tuple[type["Picked"], tuple[NDArray[np.uint8], NDArray[np.intp]]]:
        return Picked, (self[:], np.arange(len(self)))
