"""Images that nearly agree, as they are or once one is moved by a pixel."""

import math

import numpy as np
from numpy.typing import NDArray

from bezoar.maths.hashing import Window, near_pairs, window_hashes

# Rows and columns by which a copy may have been moved. The opposite moves are those of the original.
_MOVES = ((0, 1), (1, -1), (1, 0), (1, 1))
# Pixels a side of images whose windows are compared: these then have all frequencies of a hash.
_LEAST_SIDE = 10
# Pixels of pairs that are compared at a time: bounds memory.
_BLOCK = 2**20


def near_images(images: NDArray[np.uint8], rows: NDArray[np.intp], radius: int, tolerance: float) -> NDArray[np.intp]:
    """Pairs of these rows whose images are nearly the same.

    Perceptual hashes propose pairs, pixels decide: images of few strokes have few hashes. A copy that was moved shows
    in a window what the original shows in another, so the hash of each image less its rim is compared with those of the
    windows beside it.

    Parameters
    ----------
    images : (n, c, h, w).
    rows : (m,) indices of images no two of which are equal.
    radius : most bits in which the hashes of a pair differ, 0 to 15.
    tolerance : most root-mean-square difference of a pair's pixels, as a share of the root-mean-square contrast of
        the pair's images (their standard deviation).

    Returns
    -------
    (p, 2) positions in `rows`, i < j, sorted, each pair once.
    """
    h, w = images.shape[2:]
    windows = [Window(0, 0, h, w)]
    if min(h, w) >= _LEAST_SIDE:
        windows += [Window(1 + down, 1 + right, h - 2, w - 2) for down, right in ((0, 0), *_MOVES)]
    whole, *parts = window_hashes(images, windows)[:, rows]
    proposed = near_pairs(whole, radius)
    found = [proposed[_close(images, images, rows[proposed], tolerance)]]
    if parts:
        inner, *moved = (images[:, :, top : top + tall, left : left + wide] for top, left, tall, wide in windows[1:])
        for other, proposed in zip(moved, _moved_pairs(*parts, radius=radius), strict=True):
            found.append(np.sort(proposed[_close(inner, other, rows[proposed], tolerance)], axis=1))
    first, second = np.concatenate(found).T
    return np.stack(np.divmod(np.unique(first * len(rows) + second), max(1, len(rows))), axis=1)


def _moved_pairs(*hashes: NDArray[np.uint64], radius: int) -> list[NDArray[np.intp]]:
    """For each window but the first, (p, 2) whose first window and whose that window have near hashes."""
    n = len(hashes[0])
    every = np.concatenate(hashes)
    # Where nothing is to be seen, no frequency is above another.
    shown = np.flatnonzero(every)
    pairs = shown[near_pairs(every[shown], radius, apart=shown < n)]
    number, row = np.divmod(pairs, max(1, n))
    unlike = row[:, 0] != row[:, 1]
    return [row[unlike & (number[:, 1] == which)] for which in range(1, len(hashes))]


def _close(
    one: NDArray[np.uint8], other: NDArray[np.uint8], pairs: NDArray[np.intp], tolerance: float
) -> NDArray[np.bool_]:
    """Whether the pixels of each pair, (m, 2) indices into these images, differ by no more than the tolerance."""
    close = np.zeros(len(pairs), dtype=bool)
    pixels = math.prod(one.shape[1:])
    step = max(1, _BLOCK // max(1, pixels))
    for start in range(0, len(pairs), step):
        block = slice(start, start + step)
        first = one[pairs[block, 0]].reshape(-1, pixels).astype(np.float32)
        second = other[pairs[block, 1]].reshape(-1, pixels).astype(np.float32)
        contrast = (first.var(axis=1) + second.var(axis=1)) / 2
        close[block] = (((first - second) ** 2).mean(axis=1) <= tolerance**2 * contrast) & (contrast > 0)
    return close
