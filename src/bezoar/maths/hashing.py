"""Perceptual hashes of images, and pairs of hashes that nearly agree."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_SIDE = 8
_BITS = _SIDE * _SIDE
# Images hashed at a time: bounds memory.
_BLOCK = 1024


def perceptual_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64 bits an image: which of its lowest 8 x 8 cosine frequencies lie above their median.

    Re-encoding, rescaling, a little noise or brightness changes few bits. Departure from pHash: the frequencies come
    from the image at its own size (no shrinking to 32 x 32 first), which matters for tiny images.

    Parameters
    ----------
    images : (n, c, h, w) uint8; channels are averaged.

    Returns
    -------
    (n,) uint64.

    References
    ----------
    Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.1.
    """
    n, _, h, w = images.shape
    rows, columns = _cosines(h), _cosines(w)
    hashes = np.empty(n, dtype=np.uint64)
    weights = np.left_shift(np.uint64(1), np.arange(_BITS, dtype=np.uint64))
    for start in range(0, n, _BLOCK):
        grey = images[start : start + _BLOCK].mean(axis=1, dtype=np.float64)
        low = (rows @ grey @ columns.T).reshape(len(grey), _BITS)
        # The first is the mean brightness: it would shift the median's meaning, and says nothing of the shape.
        median = np.median(low[:, 1:], axis=1, keepdims=True)
        hashes[start : start + _BLOCK] = ((low > median) * weights).sum(axis=1, dtype=np.uint64)
    return hashes


def near_pairs(hashes: NDArray[np.uint64], radius: int = 3, *, window: int = 128) -> NDArray[np.intp]:
    """Pairs of hashes that differ in at most `radius` bits, without comparing all pairs.

    Hashes that differ in at most r bits agree on at least one of r + 1 bands of bits. Hashes are sorted by each band in
    turn, and each is compared with the next `window` of those that share its band: all of them unless more than
    `window` rows agree on a band, so time and memory stay in O(n) even for a set made to collide.

    Parameters
    ----------
    hashes : (n,) uint64.
    radius : bits, 0 to 15.

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
            at = np.flatnonzero(same)
            bits = np.bitwise_count(sorted_hashes[at] ^ sorted_hashes[at + step])
            at = at[bits <= radius]
            found.append(np.stack([order[at], order[at + step]], axis=1))
    pairs = np.sort(np.concatenate(found), axis=1)
    # One number a pair: sorting rows of an array takes many times as long.
    numbers = np.unique(pairs[:, 0] * len(hashes) + pairs[:, 1])
    return np.stack(np.divmod(numbers, max(1, len(hashes))), axis=1)


def _cosines(length: int) -> NDArray[np.float64]:
    """(8, length) the lowest frequencies of the orthonormal DCT-II; rows of 0 where there are not so many."""
    frequency = np.arange(_SIDE)[:, None]
    basis = np.cos(np.pi * frequency * (np.arange(length) + 0.5) / length) * np.sqrt(2 / length)
    basis[0] /= np.sqrt(2)
    return np.where(frequency < length, basis, 0.0)
