"""Encoded pictures as one array of images, (n, c, h, w) uint8, decoded and hashed by shards."""

import hashlib
import io
import itertools
import mmap
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bezoar.core import digest
from bezoar.core.data import Unread
from bezoar.core.errors import InputError
from bezoar.core.shards import Arrays
from bezoar.data import png
from bezoar.data.intake import open_file, reason, shown
from bezoar.data.options import Limits
from bezoar.data.spool import Means, release, release_pages

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
_SHARD_ROWS, _SHARD_BYTES, _SHARD_FILES = 4_096, 4 * 2**20, 8 * 2**20
"""A shard is at most so many rows, so many bytes once decoded, and so many bytes of encoded pictures, or one of them."""
_GUESSED_FROM = 64
"""Pictures that are looked at first to guess the size and colour of all."""


class Pictures(Protocol):
    """Encoded pictures in order, wherever they lie: the bytes of each, or as text why there are none.

    They may be gone through more than once.
    """

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes | str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class InColumn:
    """Pictures in an Arrow column of bytes, in memory or in mapped files whose pages are given back in passing."""

    column: pa.Array | pa.ChunkedArray
    limits: Limits
    files: Sequence[mmap.mmap] = ()

    def __len__(self) -> int:
        return len(self.column)

    def __iter__(self) -> Iterator[bytes | str]:
        mean = self.column.nbytes // max(1, len(self))
        step = int(np.clip(_SHARD_FILES // max(1, mean), 1, _SHARD_ROWS))
        for start in range(0, len(self), step):
            yield from self._pictures(self.column[start : start + step])
            for file in self.files:
                release_pages(file)

    def _pictures(self, some: pa.Array | pa.ChunkedArray) -> list[bytes | str]:
        most = self.limits.row_bytes
        lengths = pc.fill_null(pc.binary_length(some), 0).to_numpy(zero_copy_only=False)
        if not some.null_count and lengths.max(initial=0) <= most:
            pictures: list[bytes | str] = some.to_pylist()
            return pictures
        return [
            "no picture; row left out"
            if not cell.is_valid
            else f"{length:,} bytes are over the limit of {most:,}; row left out"
            if length > most
            else cell.as_py()
            for cell, length in zip(some, lengths.tolist(), strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Some of other pictures: those at `rows`, in ascending order."""

    pictures: Pictures
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[bytes | str]:
        chosen = np.zeros(len(self.pictures), dtype=bool)
        chosen[self.rows] = True
        # The others are read as well, to the last: damage among them is damage of the set.
        return itertools.compress(self.pictures, chosen.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class InFiles:
    """Pictures in files of their own."""

    paths: Sequence[Path]
    limits: Limits

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[bytes | str]:
        return map(self._file, self.paths)

    def _file(self, path: Path) -> bytes | str:
        try:
            with open_file(path, self.limits.row_bytes) as stream:
                return stream.read()
        except (InputError, OSError) as error:
            return _fault(error)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decoded:
    """Images of all rows, blank where one could not be read, and what happened to those.

    Parameters
    ----------
    images : (n, c, h, w) uint8.
    hashes : SHA-256 of each image as :func:`bezoar.core.digest.inputs` gives it.
    faults : by row why it could not be read.
    notes : what was done to the others.
    """

    images: NDArray[np.uint8]
    hashes: list[bytes]
    faults: dict[int, str]
    notes: tuple[str, ...]

    def unread(self, name: Callable[[int], str]) -> tuple[Unread, ...]:
        """What could not be read, by the names of the rows."""
        return tuple(Unread(shown(name(row), 300), why) for row, why in sorted(self.faults.items()))


@dataclass(frozen=True, slots=True)
class _Form:
    """The size and number of channels that all images are brought to."""

    width: int
    height: int
    channels: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width

    def require_room(self, n: int, limits: Limits) -> None:
        if n * self.channels * self.width * self.height > limits.total_bytes:
            raise InputError(
                f"{n:,} images of {self.width} x {self.height} are over the limit of {limits.total_bytes:,} bytes."
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Files:
    """Encoded pictures of one shard, and what they shall become."""

    files: list[bytes | str]
    form: _Form
    limits: Limits

    def digest(self) -> str:
        """SHA-256 of all that decides the result."""
        parts = (file if isinstance(file, bytes) else b"\x00" + file.encode("utf-8", "replace") for file in self.files)
        whole = hashlib.sha256(repr((self.form, self.limits, PIL.__version__)).encode())
        for part in parts:
            whole.update(digest.framed((part,)))
        return whole.hexdigest()


def decode(
    pictures: Pictures,
    limits: Limits,
    means: Means = Means(),  # noqa: B008
    *,
    announce: Callable[[tuple[int, ...]], None] = lambda shape: None,
) -> Decoded:
    """Decode pictures by shards to one size: the most common one, scaled down to the limit's side.

    No picture over the pixel limit is decoded: its header is read first. Grey pictures stay grey unless one
    of the set has colour; transparency is dropped. Size and colour are guessed from the first pictures; only where
    the others prove the guess wrong is everything decoded again.

    Parameters
    ----------
    announce : told the shape of all images (n, c, h, w) before room for them is taken. What it raises ends the decoding.

    Raises
    ------
    InputError
        The decoded set would be over the limit. A picture that cannot be read is no error but listed.
    OutputError
        There is no room on the disk for images that are too many for memory.
    """
    n = len(pictures)
    form = _guess(pictures, limits)
    form.require_room(n, limits)
    announce((n, *form.shape))
    done = _pass(pictures, form, limits, means)
    if (true := _form(done.sizes, done.grey, limits)) != form:
        form = true
        del done
        form.require_room(n, limits)
        announce((n, *form.shape))
        done = _pass(pictures, form, limits, means)
    seen = done.sizes[:, 0] > 0
    others = int((seen & (done.sizes != (form.width, form.height)).any(axis=1)).sum())
    notes = []
    if others:
        notes.append(f"{others:,} of {int(seen.sum()):,} images were resized to {form.width} x {form.height}.")
    if form.channels == 3 and done.grey[seen].any():
        notes.append("Grey images were turned to colour, as the set holds both.")
    return Decoded(images=done.images, hashes=done.hashes, faults=done.faults, notes=tuple(notes))


def _guess(pictures: Pictures, limits: Limits) -> _Form:
    with _undisturbed:
        first = [_look(file, limits) for file in itertools.islice(pictures, _GUESSED_FROM)]
    good = [look for look in first if isinstance(look, _Look)]
    sizes = np.array([(look.width, look.height) for look in good], np.int64).reshape(-1, 2)
    return _form(sizes, np.array([look.grey for look in good], dtype=bool), limits)


def _form(sizes: NDArray[np.int64], grey: NDArray[np.bool_], limits: Limits) -> _Form:
    """The form of a set of pictures of these sizes, 0 for those that could not be opened."""
    seen = sizes[:, 0] > 0
    if not seen.any():
        return _Form(1, 1, 1)
    # Both sides of one picture in one number: sorting pairs takes ten times as long.
    packed, counts = np.unique(sizes[seen, 0] << 32 | sizes[seen, 1], return_counts=True)
    common = int(packed[counts.argmax()])
    width, height = common >> 32, common & (2**32 - 1)
    scale = min(1.0, limits.side / max(width, height))
    return _Form(max(1, round(width * scale)), max(1, round(height * scale)), 1 if grey[seen].all() else 3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pass:
    """Images brought to one form; width and height of each as it came, 0 where it could not be opened."""

    images: NDArray[np.uint8]
    hashes: list[bytes]
    sizes: NDArray[np.int64]
    grey: NDArray[np.bool_]
    faults: dict[int, str]


def _pass(pictures: Pictures, form: _Form, limits: Limits, means: Means) -> _Pass:
    n = len(pictures)
    images = means.room((n, *form.shape))
    hashes: list[bytes] = []
    sizes, grey = np.zeros((n, 2), np.int64), np.zeros(n, dtype=bool)
    faults: dict[int, str] = {}
    step = int(np.clip(_SHARD_BYTES // max(1, int(np.prod(form.shape))), 16, _SHARD_ROWS))
    shards = (_Files(files, form, limits) for files in _portions(pictures, step))
    start = 0
    with _undisturbed:
        for given in means.spread(decoded_shard, shards):
            rows = slice(start, start + len(given["images"]))
            images[rows], sizes[rows], grey[rows] = given["images"], given["sizes"], given["grey"]
            hashes += [each.tobytes() for each in given["hashes"]]
            faults |= {start + int(row): str(why) for row, why in zip(given["faulty"], given["faults"], strict=True)}
            start = rows.stop
            if means.memory is not None:
                release(images)
    return _Pass(images=images, hashes=hashes, sizes=sizes, grey=grey, faults=faults)


def _portions(files: Iterable[bytes | str], step: int) -> Iterator[list[bytes | str]]:
    """The files of a shard each: at most `step` of them."""
    some: list[bytes | str] = []
    held = 0
    for file in files:
        if len(some) == step or (some and held + len(file) > _SHARD_FILES):
            yield some
            some, held = [], 0
        some.append(file)
        held += len(file)
    if some:
        yield some


def decoded_shard(shard: _Files) -> Arrays:
    """Decode and hash one shard: images, hashes, sizes as they came, which are grey, and what could not be read."""
    n, form = len(shard.files), shard.form
    images = np.zeros((n, *form.shape), np.uint8)
    faults: dict[int, str] = {}
    sizes, grey = np.zeros((n, 2), np.int64), np.zeros(n, dtype=bool)
    # The short way is for pictures of the wanted size that no limit stands against.
    short = max(form.size) <= shard.limits.side and form.width * form.height <= shard.limits.pixels
    with _undisturbed:
        for row, file in enumerate(shard.files):
            plain = png.pixels(file, form.size) if short and isinstance(file, bytes) else None
            if plain is not None and plain[0] == "L":
                images[row] = np.frombuffer(plain[1], np.uint8).reshape(form.height, form.width)
                sizes[row], grey[row] = form.size, True
                continue
            if plain is not None and form.channels == 3:
                images[row] = np.frombuffer(plain[1], np.uint8).reshape(form.height, form.width, 3).transpose(2, 0, 1)
                sizes[row] = form.size
                continue
            look = _look(file, shard.limits)
            if isinstance(look, _Look):
                sizes[row], grey[row] = (look.width, look.height), look.grey
            why = _placed(images[row], file, look, form)
            if why:
                faults[row] = why
    return {
        "images": images,
        "hashes": np.frombuffer(b"".join(digest.inputs(images)), np.uint8).reshape(n, -1),
        "sizes": sizes,
        "grey": grey,
        "faulty": np.array(list(faults), dtype=np.int64),
        "faults": np.array(list(faults.values()), dtype=np.str_),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What the first look at a picture gave: small ones are decoded at once."""

    width: int
    height: int
    grey: bool
    pixels: NDArray[np.uint8] | None


def _look(file: bytes | str, limits: Limits) -> "_Look | str":
    """A picture's size and colour, with its pixels where it is small; or why there is none."""
    if isinstance(file, str):
        return file
    try:
        with Image.open(io.BytesIO(file), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > limits.pixels:
                limit = f"{limits.pixels // 10**6:,} million" if limits.pixels % 10**6 == 0 else f"{limits.pixels:,}"
                return f"{width:,} x {height:,} pixels is over the limit of {limit}; row left out"
            small = max(width, height) <= limits.side
            pixels = np.asarray(_flat(picture)) if small else None
            return _Look(width, height, picture.mode in _GREY or picture.mode.startswith("I;"), pixels)
    except _DAMAGE as error:
        return _fault(error)


def _placed(place: NDArray[np.uint8], file: bytes | str, look: "_Look | str", form: _Form) -> str:
    """Put one picture into its place. Returns why that failed; empty where it did not."""
    if isinstance(look, str):
        return look
    pixels = look.pixels
    try:
        if pixels is None or (look.width, look.height) != form.size:
            with Image.open(io.BytesIO(cast("bytes", file)), formats=FORMATS) as picture:
                pixels = np.asarray(_flat(picture).resize(form.size, Image.Resampling.BILINEAR))
    except _DAMAGE as error:
        return _fault(error)
    if pixels.ndim == 2 or form.channels == 3:
        place[...] = pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    # Else a colour picture among what were taken for grey ones: all are decoded again, in colour.
    return ""


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


class _Undisturbed:
    """Pillow without its own pixel limit (it would hide the size from our message) and without warnings.

    Several threads may be in it: the first one in switches them off, the last one out on again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit = Image.MAX_IMAGE_PIXELS
        self._warnings = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._warnings.__exit__(None, None, None)
                Image.MAX_IMAGE_PIXELS = self._limit


_undisturbed = _Undisturbed()
