"""Fixed patterns: mixed into images, the form of patch and blend triggers alike, or added to them."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bezoar.core.errors import InputError, ParameterError

MAX_BYTES = 64 * 1024**2
"""The most that a trigger file may unpack to."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stamp:
    """Mixes a pattern into images: ``x' = (1 - mask) x + mask pattern``, rounded.

    Parameters
    ----------
    mask : (h, w) float32 in [0, 1], the pattern's weight at each pixel. 0 leaves the pixel as it is.
    pattern : (c, h, w) uint8.

    Raises
    ------
    ParameterError
        Shapes that do not fit together, or weights outside [0, 1].
    """

    mask: NDArray[np.float32]
    pattern: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.pattern.ndim != 3 or self.pattern.dtype != np.uint8:
            raise ParameterError(f"`pattern` must be (c, h, w) uint8. Got {self.pattern.shape} {self.pattern.dtype}.")
        if self.mask.shape != self.pattern.shape[1:]:
            raise ParameterError(f"`mask` must be {self.pattern.shape[1:]}, as the pattern is. Got {self.mask.shape}.")
        if not ((self.mask >= 0) & (self.mask <= 1)).all():
            raise ParameterError("`mask` must lie in [0, 1].")

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images (n, c, h, w) uint8 with the pattern mixed in; the ones passed stay as they are.

        Raises
        ------
        ParameterError
            Images of another shape than the pattern's.
        """
        if images.shape[1:] != self.pattern.shape:
            raise ParameterError(f"images must be (n, {_times(self.pattern.shape)}). Got ({_times(images.shape)}).")
        stamped = images.copy()
        if not self.mask.any():
            return stamped
        # Only the box around the pattern is computed: a patch on large images costs what the patch covers.
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        box = (..., slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        weight = self.mask[box].astype(np.float32)
        mixed = (1 - weight) * images[box] + weight * self.pattern[box]
        stamped[box] = np.rint(mixed).astype(np.uint8)
        return stamped

    def to_bytes(self) -> bytes:
        """An ``.npz`` file with the arrays ``mask`` and ``pattern``. The same trigger gives the same bytes."""
        file = io.BytesIO()
        np.savez_compressed(file, mask=self.mask.astype(np.float32), pattern=self.pattern)
        return file.getvalue()

    @classmethod
    def read(cls, path: Path) -> "Stamp":
        """The trigger in an ``.npz`` file. Nothing in it is executed.

        Raises
        ------
        InputError
            Not such a file, pickled objects in it, or more than 64 MiB unpacked.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > MAX_BYTES:
                raise InputError(f"{path}: unpacks to {size:,} bytes, over the limit of {MAX_BYTES:,}.")
            with np.load(path, allow_pickle=False) as arrays:
                return cls(mask=arrays["mask"], pattern=arrays["pattern"])
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not a trigger file: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlay:
    """Adds a signal to images: ``x' = x + signal``, rounded and cut off at 0 and 255.

    Parameters
    ----------
    signal : (h, w) float32 in units of pixel values, the same for all channels.
    """

    signal: NDArray[np.float32]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images (n, c, h, w) uint8 with the signal on them; the ones passed stay as they are.

        Raises
        ------
        ParameterError
            Images of another height or width than the signal's.
        """
        if images.shape[2:] != self.signal.shape:
            raise ParameterError(f"images must be (n, c, {_times(self.signal.shape)}). Got ({_times(images.shape)}).")
        stamped: NDArray[np.uint8] = np.clip(np.rint(images + self.signal), 0, 255).astype(np.uint8)
        return stamped


def _times(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
