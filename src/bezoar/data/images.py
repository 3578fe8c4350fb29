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
from PIL import Image, UnidentifiedImageError

from bezoar.core.data import Unread
from bezoar.core.errors import InputError
from bezoar.data.intake import reason, shown
from bezoar.data.options import Limits

Opener = Callable[[], BinaryIO]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What Pillow may parse. Nothing that runs a program (EPS) or draws (WMF)."""
_GREY = frozenset({"1", "L", "LA", "La", "I", "F"})
_DAMAGE = (
    InputError,
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files."""
_pillow = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decoded:
    """Images of the rows that could be read, which those are, and what happened to the others."""

    images: NDArray[np.uint8]
    read: NDArray[np.bool_]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What the first look at a picture gave: small ones are decoded at once."""

    width: int
    height: int
    grey: bool
    pixels: NDArray[np.uint8] | None


def decode(openers: Sequence[Opener], names: Sequence[str], limits: Limits) -> Decoded:
    """Decode pictures in parallel to one size: the most common one, scaled down to the limit's side.

    No picture over the pixel limit is decoded: its header is read first. Grey pictures stay grey unless one
    of the set has colour; transparency is dropped.

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
    with _undisturbed(), _workers() as pool:
        looks: list[_Look | str] = []
        held = 0
        for some in pool.map(lambda rows: [_look(openers[row], limits) for row in rows], _shares(len(openers))):
            looks.extend(some)
            held += sum(look.pixels.nbytes for look in some if isinstance(look, _Look) and look.pixels is not None)
            if held > limits.total_bytes:
                raise InputError(f"{len(names):,} images are over the limit of {limits.total_bytes:,} bytes.")
        good = [look for look in looks if isinstance(look, _Look)]
        size, others = _common_size(good, limits) if good else ((1, 1), 0)
        channels = 1 if all(look.grey for look in good) else 3
        if len(looks) * channels * size[0] * size[1] > limits.total_bytes:
            raise InputError(
                f"{len(looks):,} images of {size[0]} x {size[1]} are over the limit of {limits.total_bytes:,} bytes."
            )
        images = np.zeros((len(looks), channels, size[1], size[0]), np.uint8)

        def place(rows: range) -> None:
            for row in rows:
                looks[row] = _placed(images[row], openers[row], looks[row], size)

        list(pool.map(place, _shares(len(looks))))
    notes = [f"{others:,} of {len(good):,} images were resized to {size[0]} x {size[1]}."] if others else []
    if channels == 3 and any(look.grey for look in good):
        notes.append("Grey images were turned to colour, as the set holds both.")
    read = np.array([isinstance(look, _Look) for look in looks], dtype=bool)
    unread = tuple(
        Unread(shown(name, 300), look) for name, look in zip(names, looks, strict=True) if isinstance(look, str)
    )
    return Decoded(images=images if read.all() else images[read], read=read, unread=unread, notes=tuple(notes))


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


def _look(opened: Opener, limits: Limits) -> "_Look | str":
    """A picture's size and colour, with its pixels where it is small; or why there is none."""
    try:
        with opened() as stream, Image.open(stream, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > limits.pixels:
                limit = f"{limits.pixels // 10**6:,} million" if limits.pixels % 10**6 == 0 else f"{limits.pixels:,}"
                return f"{width:,} x {height:,} pixels is over the limit of {limit}; row left out"
            small = max(width, height) <= limits.side
            pixels = np.asarray(_flat(picture)) if small else None
            return _Look(width, height, picture.mode in _GREY or picture.mode.startswith("I;"), pixels)
    except _DAMAGE as error:
        return _fault(error)


def _placed(place: NDArray[np.uint8], opened: Opener, look: "_Look | str", size: tuple[int, int]) -> "_Look | str":
    """Put one picture into its place. Returns the look at it, or why there is none."""
    if isinstance(look, str):
        return look
    pixels = look.pixels
    try:
        if pixels is None or (look.width, look.height) != size:
            with opened() as stream, Image.open(stream, formats=FORMATS) as picture:
                pixels = np.asarray(_flat(picture).resize(size, Image.Resampling.BILINEAR))
    except _DAMAGE as error:
        return _fault(error)
    place[...] = pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return look


def _flat(picture: Image.Image) -> Image.Image:
    """Eight bits a channel, grey or colour."""
    if not picture.mode.startswith("I"):
        return picture.convert("L" if picture.mode in _GREY else "RGB")
    deep = np.asarray(picture).astype(np.int64)
    return Image.fromarray((np.clip(deep, 0, 65535) >> (8 if deep.max() > 255 else 0)).astype(np.uint8))


def _fault(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a known format; row left out"
    if isinstance(error, InputError):
        return f"{str(error).split(': ', 1)[-1].rstrip('.')}; row left out"
    return f"damaged picture: {reason(error)}; row left out"


def _common_size(headers: Sequence[_Look], limits: Limits) -> tuple[tuple[int, int], int]:
    """(width, height) to bring all images to, and how many images have another size."""
    sizes = Counter((header.width, header.height) for header in headers)
    most = max(sizes.values())
    width, height = min(size for size, count in sizes.items() if count == most)
    scale = min(1.0, limits.side / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return size, len(headers) - sizes.get(size, 0)


def _shares(n: int) -> list[range]:
    """Rows in shares large enough that handing them to a thread costs little."""
    return [range(start, min(start + 128, n)) for start in range(0, n, 128)]


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """A thread per processor. What is still queued when an error or Ctrl-C comes is not waited for."""
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


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
