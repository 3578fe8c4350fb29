"""A file as bytes that are read when they are looked at."""

import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from mmap import ACCESS_READ, MADV_DONTNEED, PAGESIZE, mmap
from pathlib import Path

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles.pieces import shown


def digest(data: memoryview) -> str:
    """SHA-256, hexadecimal, of the very bytes that are judged."""
    found = hashlib.sha256()
    for at, chunk in _chunks(data, 0, len(data)):
        found.update(chunk)
        _give_back(data, at, len(chunk))
    return found.hexdigest()


def checksum(data: memoryview, start: int, length: int) -> int:
    """CRC-32 of a range."""
    found = 0
    for at, chunk in _chunks(data, start, length):
        found = zlib.crc32(chunk, found)
        _give_back(data, at, len(chunk))
    return found


def _chunks(data: memoryview, start: int, length: int) -> Iterator[tuple[int, memoryview]]:
    for at in range(start, start + length, _CHUNK):
        yield at, data[at : min(at + _CHUNK, start + length)]


def _give_back(data: memoryview, start: int, length: int) -> None:
    """Let go of mapped pages that were read: a file larger than the memory must not fill it."""
    if isinstance(data.obj, mmap) and len(data.obj) == len(data) and hasattr(data.obj, "madvise"):
        first = start // PAGESIZE * PAGESIZE
        data.obj.madvise(MADV_DONTNEED, first, start + length - first)


_CHUNK = 2**23


def mapped(path: Path) -> memoryview:
    """The bytes of a regular file, without copying them. Pipes and devices are refused without waiting on them.

    Should another program cut the file short meanwhile, the operating system ends the process: copy a file first
    where others can write to it.

    Raises
    ------
    InputError
        It cannot be opened, or is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be opened: {shown(getattr(error, 'strerror', None) or error, 200)}") from error
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise InputError("is no regular file")
        return memoryview(mmap(stream.fileno(), 0, access=ACCESS_READ) if facts.st_size else b"")
