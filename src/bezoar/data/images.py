"""Number arrays as images, (n, c, h, w) uint8."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bezoar.core.errors import InputError


def from_array(array: NDArray[Any], where: str) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Images from numbers: (n, h, w), (n, h, w, c) or (n, c, h, w), whole in 0 to 255 or fractions in [0, 1].

    Returns
    -------
    tuple
        (n, c, h, w) uint8, a view where nothing had to change; and by row why it cannot be used.

    Raises
    ------
    InputError
        Another shape or range.
    """
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[-1] in (1, 3, 4):
        array = np.moveaxis(array[..., :3], -1, 1)
    elif array.ndim == 4 and array.shape[1] in (1, 3, 4):
        array = array[:, :3]
    else:
        raise InputError(f"{where}: images must be (n, h, w), (n, h, w, c) or (n, c, h, w). Got {array.shape}.")
    if 0 in array.shape[1:]:
        raise InputError(f"{where}: images have no pixels. Got shape {array.shape}.")
    if array.dtype == np.uint8:
        return array, {}
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), {}
    finite = np.isfinite(array).all(axis=(1, 2, 3))
    faults = {int(row): "NaN or infinite pixels; row left out" for row in np.flatnonzero(~finite)}
    kept = array[finite]
    low, high = (kept.min(), kept.max()) if kept.size else (0, 0)
    images = np.zeros(array.shape, np.uint8)
    if array.dtype.kind == "f" and 0 <= low and high <= 1:
        images[finite] = np.rint(kept.astype(np.float64) * 255)
    elif 0 <= low and high <= 255 and (array.dtype.kind in "iu" or bool((kept == np.rint(kept)).all())):
        images[finite] = kept
    else:
        raise InputError(
            f"{where}: pixels must be whole in 0 to 255 or fractions in [0, 1]. Got {low:g} to {high:g} {array.dtype}."
        )
    return images, faults


def squared(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Flat rows as square images: (n, d) to (n, c, s, s) where d = c * s * s with c of 1 or 3.

    Raises
    ------
    InputError
        No such d.
    """
    for channels in (1, 3):
        side = round((array.shape[1] / channels) ** 0.5)
        if side and channels * side * side == array.shape[1]:
            return array.reshape(len(array), channels, side, side)
    raise InputError(f"{where}: rows of {array.shape[1]:,} numbers are no square images.")
