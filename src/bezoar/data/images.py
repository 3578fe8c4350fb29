"""Encoded pictures and number arrays as one array of images, (n, c, h, w) uint8."""

import os
import struct
import threading
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bezoar.core.data import Unread
from bezoar.core.errors import InputError
from bezoar.data.intake import reason, shown
from bezoar.data.options import Limits

Opener = Callable[[], BinaryIO]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What Pillow may parse. Nothing that runs a program (EPS) or draws (WMF)."""
_GREY = frozenset({"1", "L", "LA", "La", "I", "F"})
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError)
_DAMAGE_BELOW = (struct.error, zlib.error, Image.DecompressionBombError, AttributeError, RuntimeError)
_pillow = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decoded:
    """Images of the rows that could be read, which those are, and what happened to the others."""

    images: NDArray[np.uint8]
    read: NDArray[np.bool_]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    grey: bool


def decode(openers: Sequence[Opener], names: Sequence[str], limits: Limits) -> Decoded:
    """Decode pictures in parallel to one size: the most common one, scaled down to the limit's side.

    Headers are read first, so that no picture over the pixel limit is ever decoded. Grey pictures
    stay grey unless one of the set has colour; transparency is dropped.

    Parameters
    ----------
    openers : one per row, opens the encoded picture.
    names : what to call each row in a message.
    limits : bounds on pixels, side and the size of the result.

    Raises
    ------
    InputError
        The decoded set would be over the limit. A picture that cannot be read is no error but listed.
    """
    with _undisturbed(), ThreadPoolExecutor(len(os.sched_getaffinity(0)) if _linux() else os.cpu_count()) as pool:
        headers = list(pool.map(lambda opened: _header(opened, limits), openers))
        good = [header for header in headers if isinstance(header, _Header)]
        if not good:
            return _collect(np.zeros((len(names), 1, 1, 1), np.uint8), headers, names, ())
        size, share = _common_size(good, limits)
        channels = 1 if all(header.grey for header in good) else 3
        if len(headers) * channels * size[0] * size[1] > limits.total_bytes:
            raise InputError(
                f"{len(headers):,} images of {size[0]} x {size[1]} are over the limit of {limits.total_bytes:,} bytes."
            )
        images = np.zeros((len(headers), channels, size[1], size[0]), np.uint8)
        rows = [row for row, header in enumerate(headers) if isinstance(header, _Header)]
        results: list[_Header | str] = list(headers)
        for row, fault in zip(rows, pool.map(lambda row: _fill(images[row], openers[row], size), rows), strict=True):
            if fault:
                results[row] = fault
    notes = [f"{share:,} of {len(good):,} images were resized to {size[0]} x {size[1]}."] if share else []
    if channels == 3 and any(header.grey for header in good):
        notes.append("Grey images were turned to colour, as the set holds both.")
    return _collect(images, results, names, tuple(notes))


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


def _header(opened: Opener, limits: Limits) -> "_Header | str":
    """Size and colour of a picture by its header, or why there is none."""
    try:
        with opened() as stream, Image.open(stream, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > limits.pixels:
                limit = f"{limits.pixels // 10**6:,} million" if limits.pixels % 10**6 == 0 else f"{limits.pixels:,}"
                return f"{width:,} x {height:,} pixels is over the limit of {limit}; row left out"
            return _Header(width, height, picture.mode in _GREY or picture.mode.startswith("I;"))
    except Image.UnidentifiedImageError:
        return "not a picture in a known format; row left out"
    except InputError as error:
        return f"{str(error).split(': ', 1)[-1].rstrip('.')}; row left out"
    except (*_DAMAGE, *_DAMAGE_BELOW) as error:
        return f"damaged picture: {reason(error)}; row left out"


def _fill(place: NDArray[np.uint8], opened: Opener, size: tuple[int, int]) -> str:
    """Decode one picture into its place. Returns why it could not, or nothing."""
    try:
        with opened() as stream, Image.open(stream, formats=FORMATS) as picture:
            if picture.mode.startswith("I"):
                deep = np.asarray(picture).astype(np.int64)
                flat = Image.fromarray((np.clip(deep, 0, 65535) >> (8 if deep.max() > 255 else 0)).astype(np.uint8))
            else:
                flat = picture.convert("L" if picture.mode in _GREY else "RGB")
            if flat.size != size:
                flat = flat.resize(size, Image.Resampling.BILINEAR)
            pixels = np.asarray(flat)
    except InputError as error:
        return f"{str(error).split(': ', 1)[-1].rstrip('.')}; row left out"
    except (*_DAMAGE, *_DAMAGE_BELOW) as error:
        return f"damaged picture: {reason(error)}; row left out"
    place[...] = pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return ""


def _common_size(headers: Sequence[_Header], limits: Limits) -> tuple[tuple[int, int], int]:
    """(width, height) to bring all images to, and how many images have another size."""
    sizes = Counter((header.width, header.height) for header in headers)
    most = max(sizes.values())
    width, height = min(size for size, count in sizes.items() if count == most)
    scale = min(1.0, limits.side / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return size, len(headers) - sizes.get(size, 0)


def _collect(
    images: NDArray[np.uint8], results: Sequence["_Header | str"], names: Sequence[str], notes: tuple[str, ...]
) -> Decoded:
    read = np.array([isinstance(result, _Header) for result in results], dtype=bool)
    unread = tuple(
        Unread(shown(name, 300), result)
        for name, result in zip(names, results, strict=True)
        if not isinstance(result, _Header)
    )
    return Decoded(images=images if read.all() else images[read], read=read, unread=unread, notes=notes)


def _linux() -> bool:
    return hasattr(os, "sched_getaffinity")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Pillow without its own pixel limit (it would hide the size from our message) and without warnings."""
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
