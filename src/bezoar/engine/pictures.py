"""Small pictures for a report."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bezoar.core.report import Picture
from bezoar.core.trigger import Stamp

LARGEST = 112
"""Pixels a side: larger images are shrunk."""


def picture(image: NDArray[np.uint8], caption: str) -> Picture:
    """An image (c, h, w) with one channel or three; of other numbers of channels the first is shown."""
    shown = image.transpose(1, 2, 0) if image.shape[0] == 3 else image[0]
    drawn = Image.fromarray(np.ascontiguousarray(shown))
    drawn.thumbnail((LARGEST, LARGEST))
    stream = io.BytesIO()
    drawn.save(stream, format="PNG", optimize=True)
    return Picture(
        png=base64.b64encode(stream.getvalue()).decode("ascii"), caption=caption, width=drawn.width, height=drawn.height
    )


def trigger_pictures(stamp: Stamp, clean: NDArray[np.uint8], name: str) -> tuple[Picture, ...]:
    """The recovered pattern where its mask is, the mask, and clean images (m, c, h, w) before and after stamping."""
    weight = stamp.mask / max(float(stamp.mask.max()), 1e-6)
    # A thin blend's pattern is shown at full strength; outside a patch there is nothing to show.
    pattern = np.rint(stamp.pattern * np.where(stamp.mask > 0, 1.0, 0.0)).astype(np.uint8)
    mask = np.rint(255 * weight).astype(np.uint8)[None]
    shown = [picture(pattern, "recovered pattern"), picture(mask, f"its mask, opacity {stamp.mask.max():.2f}")]
    for before, after in zip(clean, stamp(clean), strict=True):
        shown += [picture(before, "a clean row"), picture(after, f"stamped for {name}")]
    return tuple(shown)
