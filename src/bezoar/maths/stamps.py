"""What was mixed into a group of images: mask and pattern from means and spreads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bezoar.core.trigger import Stamp

_SPREAD = 4.0
"""Grey levels: pixels that vary less than this in ordinary images say nothing about the opacity."""
_SURE = 6.0
"""Standard errors by which a masked pixel's mean must differ from ordinary images'."""
_VISIBLE = 0.1
"""Opacity below which a pixel is not counted to a patch."""
_STRANGERS = 0.1
"""Share of the stamped images that may lack the patch: as many are left out, those least like the others."""
_FAINTEST = 0.02
"""Opacities are not taken to be lower than this: the pattern is divided by them."""
_MOST_ROWS, _MOST_VALUES = 4_000, 6_000_000
_BLOCK = 256
"""Images that are held as floating-point numbers at a time. 256 squared grey levels add up to less than 2 to the 24th."""


def recover_stamps(stamped: NDArray[np.uint8], ordinary: NDArray[np.uint8]) -> dict[str, Stamp]:
    """The blend and the patch that explain best how `stamped` images differ from `ordinary` ones.

    Where x' = (1 - m) x + m p, the spread over images shrinks to (1 - m) of the ordinary one and the mean moves to
    (1 - m) mean + m p. One opacity for the whole image gives the blend; one for each pixel, kept where the mean has
    surely moved, gives the patch. Images under the stamp are taken to vary as `ordinary` ones do. For the patch the
    tenth of either group that is least like the rest of it, where the mean has moved, is left out: strangers among
    the stamped would otherwise look like a fainter patch.

    Parameters
    ----------
    stamped : (s, c, h, w) images that carry the pattern, but for a few. At least one.
    ordinary : (n, c, h, w) images that don't. At least one.

    Returns
    -------
    Stamps under "blend" and "patch"; the patch is missing where no pixel has surely moved.
    """
    marked, plain = _sample(stamped), _sample(ordinary)
    change = _change(marked, plain)
    seen = change.opacity[change.varies]
    whole = float(np.clip(np.median(seen), _FAINTEST, 1)) if len(seen) else 1.0
    stamps = {"blend": change.stamp(np.full(stamped.shape[2:], whole, dtype=np.float32))}

    if not change.moved.any():
        return stamps
    change = _change(_most_alike(marked, change.moved), _most_alike(plain, change.moved))
    sure = change.moved & (change.opacity > _VISIBLE)
    # Pixels that ordinary images leave alone don't show how opaque the patch is there: as elsewhere, then.
    elsewhere = change.opacity[sure & change.varies]
    opacity = np.where(change.varies, change.opacity, np.median(elsewhere) if len(elsewhere) else 1.0)
    per_pixel = np.where(sure, np.clip(opacity, 0, 1), 0).max(axis=0)
    mask = np.where(per_pixel > 0.5 * per_pixel.max(), per_pixel, 0).astype(np.float32)
    if mask.any():
        stamps["patch"] = change.stamp(mask)
    return stamps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Change:
    """How stamped images differ from ordinary ones, by pixel; each array is (c, h, w).

    Parameters
    ----------
    ordinary, stamped : means in grey levels.
    opacity : how much of the ordinary spread is gone, as a share.
    varies : the ordinary spread is large enough for the opacity to mean something.
    moved : the mean is surely another one.
    """

    ordinary: NDArray[np.float32]
    stamped: NDArray[np.float32]
    opacity: NDArray[np.float32]
    varies: NDArray[np.bool_]
    moved: NDArray[np.bool_]

    def stamp(self, mask: NDArray[np.float32]) -> Stamp:
        """The stamp of this mask (h, w) that moves one mean to the other."""
        weight = np.maximum(mask, _FAINTEST)
        pattern = (self.stamped - (1 - weight) * self.ordinary) / weight
        return Stamp(mask=mask, pattern=np.rint(np.clip(pattern, 0, 255)).astype(np.uint8))


def _change(stamped: NDArray[np.uint8], ordinary: NDArray[np.uint8]) -> _Change:
    (mean, spread), (here, left) = _moments(ordinary), _moments(stamped)
    return _Change(
        ordinary=mean,
        stamped=here,
        opacity=(1 - left / np.maximum(spread, _SPREAD)).astype(np.float32),
        varies=spread > 2 * _SPREAD,
        moved=np.abs(here - mean) > _SURE * np.maximum(spread, 1.0) / np.sqrt(len(stamped)),
    )


def _moments(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation by pixel. Sums of so many squared grey levels are exact in single precision."""
    total, squares = np.zeros((2, *images.shape[1:]))
    for start in range(0, len(images), _BLOCK):
        values = images[start : start + _BLOCK].astype(np.float32)
        total += values.sum(axis=0)
        squares += np.einsum("i...,i...->...", values, values)
    mean = total / len(images)
    spread = np.sqrt(np.maximum(squares / len(images) - mean**2, 0))
    return mean.astype(np.float32), spread.astype(np.float32)


def sampled(rows: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Evenly spaced rows of `size` values each, as many as moments need and memory allows."""
    most = max(100, min(_MOST_ROWS, _MOST_VALUES // size))
    return rows[:: -(-len(rows) // most)]


def _sample(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images[sampled(np.arange(len(images)), images[0].size)]


def _most_alike(images: NDArray[np.uint8], pixels: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """All but the :data:`_STRANGERS` images that are farthest from the median image in these pixels."""
    values = images[:, pixels]
    middle = np.median(values, axis=0).astype(np.float32)
    blocks = range(0, len(values), _BLOCK)
    distances = np.concatenate([np.abs(values[start : start + _BLOCK] - middle).mean(axis=1) for start in blocks])
    kept = np.argsort(distances, kind="stable")[: len(images) - int(_STRANGERS * len(images))]
    return images[np.sort(kept)]
