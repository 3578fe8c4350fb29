"""What was mixed into a group of images: mask and pattern from means and spreads."""

import numpy as np
from numpy.typing import NDArray

from bezoar.core.trigger import Stamp

_SPREAD = 4.0
"""Grey levels: pixels that vary less than this in ordinary images say nothing about the opacity."""
_SURE = 6.0
"""Standard errors by which a masked pixel's mean must differ from ordinary images'."""


def recover_stamps(stamped: NDArray[np.uint8], ordinary: NDArray[np.uint8]) -> dict[str, Stamp]:
    """The blend and the patch that explain best how `stamped` images differ from `ordinary` ones.

    Where x' = (1 - m) x + m p, the spread over images shrinks to (1 - m) of the ordinary one and the mean moves to
    (1 - m) mean + m p. One opacity for the whole image gives the blend; one for each pixel, kept where the mean has
    surely moved, gives the patch. Images under the stamp are taken to vary as `ordinary` ones do.

    Parameters
    ----------
    stamped : (s, c, h, w) images that carry the pattern, but for a few.
    ordinary : (n, c, h, w) images that don't.

    Returns
    -------
    Stamps under "blend" and "patch"; the patch is missing where no pixel has surely moved.
    """
    mean, spread = _moments(ordinary)
    here, left = _moments(stamped)
    opacity = 1 - left / np.maximum(spread, _SPREAD)
    varies = spread > 2 * _SPREAD
    whole = float(np.clip(np.median(opacity[varies]), 0.02, 1)) if varies.any() else 1.0
    stamps = {"blend": _stamp(np.full(mean.shape[1:], whole, dtype=np.float32), mean, here)}
    errors = np.abs(here - mean) / (np.maximum(spread, 1.0) / np.sqrt(len(stamped)))
    per_pixel = np.where((errors > _SURE) & (opacity > 0.1), np.clip(opacity, 0, 1), 0).max(axis=0)
    mask = np.where(per_pixel > 0.5 * per_pixel.max(), per_pixel, 0).astype(np.float32)
    if mask.any():
        stamps["patch"] = _stamp(mask, mean, here)
    return stamps


def _moments(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and robust spread of each pixel over images: few strangers among them don't matter."""
    sample = images[:: -(-len(images) // 4_000)].astype(np.float32)
    mean = sample.mean(axis=0)
    return mean, sample.std(axis=0)


def _stamp(mask: NDArray[np.float32], ordinary: NDArray[np.float32], stamped: NDArray[np.float32]) -> Stamp:
    weight = np.maximum(mask, 0.02)
    pattern = (stamped - (1 - weight) * ordinary) / weight
    return Stamp(mask=mask, pattern=np.rint(np.clip(pattern, 0, 255)).astype(np.uint8))
