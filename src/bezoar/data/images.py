"""Number arrays as images, (n, c, h, w) uint8."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bezoar.core.errors import InputError
from bezoar.data.spool import Means, release

_VALUES = 2**20
"""Pixels that are held as other numbers at a time."""


def from_array(
    array: NDArray[Any],
    where: str,
    means: Means = Means(),  # noqa: B008
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Images from numbers: (n, h, w), (n, h, w, c) or (n, c, h, w), whole in 0 to 255 or fractions in [0, 1].

    Returns
    -------
    tuple
        (n, c, h, w) uint8, a view where nothing had to change, else where `means` keeps images; and by row why it
        cannot be used.

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
    blocks, n = _blocks(array), len(array)
    finite, low, high, whole = np.ones(n, dtype=bool), np.inf, -np.inf, True
    for some in blocks:
        finite[some] = np.isfinite(array[some]).all(axis=(1, 2, 3))
        kept = array[some][finite[some]]
        if kept.size:
            low, high = min(low, kept.min()), max(high, kept.max())
            whole = whole and (array.dtype.kind in "biu" or bool((kept == np.rint(kept)).all()))
        release(array)
    if not finite.any():
        low = high = 0
    shares = array.dtype == np.bool_ or (array.dtype.kind == "f" and 0 <= low and high <= 1)
    if not shares and not (0 <= low and high <= 255 and whole):
        raise InputError(
            f"{where}: pixels must be whole in 0 to 255 or fractions in [0, 1]. Got {low:g} to {high:g} {array.dtype}."
        )
    images = means.room(array.shape)
    for some in blocks:
        kept = array[some][finite[some]]
        images[some][finite[some]] = np.rint(kept.astype(np.float64) * 255) if shares else kept
        release(images)
        release(array)
    faults = {int(row): "NaN or infinite pixels; row left out" for row in np.flatnonzero(~finite)}
    return images, faults


def _blocks(array: NDArray[Any]) -> list[slice]:
    """Parts of images that are held as other numbers at a time."""
    step = max(1, _VALUES // array[0].size) if len(array) else 1
    return [slice(start, start + step) for start in range(0, len(array), step)]


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
