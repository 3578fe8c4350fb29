"""With what a set is read, and images that lie in a file because memory is scarce."""

import mmap
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from bezoar.core.errors import OutputError
from bezoar.core.shards import Spread, in_threads
from bezoar.core.validation import Count, validate

SHARE = 4
"""Images over this part of the machine's free memory lie in a file."""
KEPT = 64 * 2**20
"""Images over so many bytes do, where an audit is told how much memory it may use."""
_BLOCK = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """What is known of a set before its inputs are taken in.

    Parameters
    ----------
    name : of the set.
    rows : how many, those without a usable label not counted; 0 while they are not known.
    held : bytes that lie in memory at one time, whatever is done, at the least.
    cells, features : bytes of a table, and how many numbers a row of it becomes.
    shape : (n, c, h, w) of images.
    classes : how many there are; 0 while they are not known.
    largest : rows of the largest of them.
    """

    name: str
    rows: int = 0
    held: int = 0
    cells: int = 0
    features: int = 0
    shape: tuple[int, ...] = ()
    classes: int = 0
    largest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """With what a set is read.

    Parameters
    ----------
    memory : bytes that an audit may use; None for what the machine has free.
    admit : asked about a set before more of it is taken in than lies in memory already; once or more often, each time
        with more that is known. What it raises ends the reading.
    folder : where images are kept that are too many for memory; None for the system's own place. The file has no
        name, so that it is gone when the program is, however that ends.
    spread : who works on shards.
    """

    memory: Count | None = None
    admit: Callable[[Coming], None] | None = None
    folder: Path | None = None
    spread: Spread = in_threads

    def __post_init__(self) -> None:
        validate(self)

    def hold(self, name: str, size: int, *, rows: int = 0) -> None:
        """Ask whether so many bytes of a set may lie in memory at one time."""
        if self.admit is not None:
            self.admit(Coming(name=name, held=size, rows=rows))

    def room(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Zeros (n, c, h, w): in memory, or mapped from a file where they are too many.

        Raises
        ------
        OutputError
            The file cannot be made as large.
        """
        size = int(np.prod(shape, dtype=np.int64))
        most = psutil.virtual_memory().available // SHARE if self.memory is None else min(KEPT, self.memory // SHARE)
        return np.zeros(shape, np.uint8) if size <= most else _mapped(shape, size, self.folder)

    def taken(self, images: NDArray[np.uint8], rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Images at these rows as :meth:`room` keeps them."""
        few = self.room((len(rows), *images.shape[1:]))
        step = max(1, _BLOCK // max(1, int(np.prod(images.shape[1:]))))
        for start in range(0, len(rows), step):
            few[start : start + step] = images[rows[start : start + step]]
            release(few)
        return few


def release(images: NDArray[Any]) -> None:
    """Give the pages of mapped images back. Nothing is lost: they are loaded again when they are used."""
    mapping = _mapping(images)
    if mapping is not None:
        release_pages(mapping)


def release_pages(file: mmap.mmap) -> None:
    """The same for a mapped file."""
    if hasattr(mmap, "MADV_DONTNEED"):
        file.madvise(mmap.MADV_DONTNEED)


def is_mapped(images: object) -> bool:
    """Whether an array lies in a file."""
    return isinstance(images, np.ndarray) and _mapping(images) is not None


def _mapping(images: NDArray[Any]) -> mmap.mmap | None:
    base: object = images
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, mmap.mmap) else None


def _mapped(shape: tuple[int, ...], size: int, folder: Path | None) -> NDArray[np.uint8]:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # Claimed at once: a disk that fills up later would end the process without a word.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                for start in range(0, size, _BLOCK):
                    file.write(bytes(min(_BLOCK, size - start)))
                file.flush()
            mapping = mmap.mmap(file.fileno(), size)
    except OSError as error:
        where = folder or tempfile.gettempdir()
        raise OutputError(f"{where}: no room for {size:,} bytes of images: {error.strerror or error}.") from error
    return np.frombuffer(mapping, np.uint8).reshape(shape)
