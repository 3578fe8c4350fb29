"""Perceptual hashes of images, and pairs of hashes that nearly agree."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SIDE = 8
_BITS = _SIDE * _SIDE
# Pixels hashed at a time: bounds memory.
_BLOCK = 2**20


def perceptual_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64 bits an image: which of its lowest 8 x 8 cosine frequencies lie above their median.

    Re-encoding, rescaling, a little noise or brightness changes few bits. Departure from pHash: the frequencies come
    from the image at its own size (no shrinking to 32 x 32 first), which matters for tiny images.

    Parameters
    ----------
    images : (n, c, h, w) uint8; channels are added up.

    Returns
    -------
    (n,) uint64.

    References
    ----------
    Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.1.
    """
    return np.asarray(window_hashes(images, [Window(0, 0, *images.shape[2:])])[0])


class Window(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def window_hashes(images: NDArray[np.uint8], windows: Sequence[Window]) -> NDArray[np.uint64]:
    """The perceptual hashes of windows into the images, for little more than those of the images cost.

    Parameters and reference as :func:`perceptual_hashes`.

    Returns
    -------
    (windows, n) uint64.
    """
    n, _, h, w = images.shape
    tall, wide = (
        sorted({(each.top, each.height) for each in windows}),
        sorted({(each.left, each.width) for each in windows}),
    )
    rows = np.concatenate([_cosines(length, start, h) for start, length in tall])
    columns = np.concatenate([_cosines(length, start, w) for start, length in wide])
    hashes = np.empty((len(windows), n), dtype=np.uint64)
    step = max(1, _BLOCK // max(1, h * w))
    for start in range(0, n, step):
        block = images[start : start + step]
        grey = block.sum(axis=1, dtype=np.uint32).astype(np.float64)
        across = (grey.reshape(-1, w) @ columns.T).reshape(len(block), h, len(columns))
        low = (rows @ across).reshape(len(block), len(tall), _SIDE, len(wide), _SIDE)
        for window, into in zip(windows, hashes, strict=True):
            place = tall.index((window.top, window.height)), wide.index((window.left, window.width))
            one = low[:, place[0], :, place[1]].reshape(len(block), _BITS)
            # The first is the mean brightness: it would shift the median's meaning, and says nothing of the shape.
            median = np.partition(one[:, 1:], _BITS // 2 - 1, axis=1)[:, _BITS // 2 - 1, None]
            into[start : start + step] = np.packbits(one > median, axis=1, bitorder="little").view("<u8")[:, 0]
    return hashes


def near_pairs(
    hashes: NDArray[np.uint64], radius: int = 3, *, window: int = 128, apart: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """Pairs of hashes that differ in at most `radius` bits, without comparing all pairs.

    Hashes that differ in at most r bits agree on at least one of r + 1 bands of bits. Hashes are sorted by each band in
    turn, and each is compared with the next `window` of those that share its band: all of them unless more than
    `window` rows agree on a band, so time and memory stay in O(n) even for a set made to collide.

    Parameters
    ----------
    hashes : (n,) uint64.
    radius : bits, 0 to 15.
    apart : (n,) two sides, of which only pairs across are wanted.

    Returns
    -------
    (m, 2) row indices i < j, sorted, each pair once.

    References
    ----------
    Norouzi, Punjani and Fleet, "Fast exact search in Hamming space with multi-index hashing", PAMI 36, 2014, section 3.
    """
    edges = np.linspace(0, _BITS, radius + 2).astype(int)
    found = [np.empty((0, 2), dtype=np.intp)]
    for low, high in pairwise(edges):
        mask = np.uint64(2 ** int(high - low) - 1)
        band = (hashes >> np.uint64(low)) & mask
        order = np.lexsort((hashes, band))
        sorted_band, sorted_hashes = band[order], hashes[order]
        for step in range(1, min(window, len(hashes) - 1) + 1):
            same = sorted_band[:-step] == sorted_band[step:]
            if not same.any():
                break
            at = np.flatnonzero(same if apart is None else same & (apart[order[:-step]] != apart[order[step:]]))
            bits = np.bitwise_count(sorted_hashes[at] ^ sorted_hashes[at + step])
            at = at[bits <= radius]
            found.append(np.stack([order[at], order[at + step]], axis=1))
    pairs = np.sort(np.concatenate(found), axis=1)
    # One number a pair: sorting rows of an array takes many times as long.
    numbers = np.unique(pairs[:, 0] * len(hashes) + pairs[:, 1])
    return np.stack(np.divmod(numbers, max(1, len(hashes))), axis=1)


def _cosines(length: int, start: int, whole: int) -> NDArray[np.float64]:
    """(8, whole) the lowest frequencies of the orthonormal DCT-II of a stretch of a whole; 0 where there are not so many."""
    frequency = np.arange(_SIDE)[:, None]
    basis = np.cos(np.pi * frequency * (np.arange(length) + 0.5) / length) * np.sqrt(2 / length)
    basis[0] /= np.sqrt(2)
    cosines = np.zeros((_SIDE, whole))
    cosines[:, start : start + length] = np.where(frequency < length, basis, 0.0)
    return cosines
