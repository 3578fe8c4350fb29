"""A file as bytes that are read when they are looked at."""

import os
import stat
from mmap import ACCESS_READ, mmap
from pathlib import Path

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles.pieces import shown


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
