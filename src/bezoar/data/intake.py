"""The gate that every byte of a data set passes: regular files only, nothing outside the folder, bounded sizes."""

import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Unread
from bezoar.core.errors import InputError
from bezoar.data.options import Limits
from bezoar.data.spool import Means

_CHUNK = 2**20
_KINDS: dict[str, Callable[[int], bool]] = {
    "folder": stat.S_ISDIR,
    "pipe": stat.S_ISFIFO,
    "socket": stat.S_ISSOCK,
    "device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
}


def shown(text: object, width: int = 80) -> str:
    """Text from a hostile file, fit for one line of an error: control characters escaped, shortened; of a path the end stays."""
    raw = str(text)
    kept = raw[-width:] if isinstance(text, Path) else raw[:width]
    clean = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in kept)
    if len(raw) <= width:
        return clean
    return f"...{clean}" if isinstance(text, Path) else f"{clean}..."


def reason(error: BaseException) -> str:
    """What an error from a library says, in one line without a full stop."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n", 1)[0]
    return shown(text or type(error).__name__, 200).rstrip(". ")


def open_file(path: Path, limit: int) -> BufferedReader:
    """Open a regular file of at most `limit` bytes. Pipes and devices are refused without waiting on them."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(path)}: cannot be opened: {reason(error)}.") from error
    mode = os.fstat(descriptor).st_mode
    size = os.fstat(descriptor).st_size
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((kind for kind, fits in _KINDS.items() if fits(mode)), "special file")
        raise InputError(f"{shown(path)}: is a {kind}, not a file.")
    if size > limit:
        os.close(descriptor)
        raise InputError(f"{shown(path)}: {size:,} bytes are over the limit of {limit:,}.")
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path, limits: Limits, means: Means, *, times: int) -> bytes:
    """A whole file, unpacked where its name ends in ``.gz``, within the limits.

    `times` is how often its size lies in memory at one time, at the least, once it is made use of: the file is not read
    where that is too much.
    """
    with open_file(path, limits.file_bytes) as stream:
        if path.suffix != ".gz":
            means.hold(path.name, times * os.fstat(stream.fileno()).st_size)
            return stream.read()
        parts, total = [], 0
        for chunk in unpacking(stream, path, limits.total_bytes):
            parts.append(chunk)
            total += len(chunk)
            means.hold(path.name, times * total)
        return b"".join(parts)


def unpacking(stream: BinaryIO, path: Path, limit: int) -> Iterator[bytes]:
    """What gzip data holds, chunk by chunk, no further than `limit` bytes."""
    total = 0
    try:
        with gzip.GzipFile(fileobj=stream) as plain:
            while chunk := plain.read(_CHUNK):
                total += len(chunk)
                if total > limit:
                    raise InputError(f"{shown(path)}: unpacks to more than the limit of {limit:,} bytes.")
                yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{shown(path)}: damaged gzip data: {reason(error)}.") from error


def files_below(root: Path, depth: int = 16) -> tuple[list[Path], list[Unread]]:
    """Files in a folder and below in sorted order, and what was not followed.

    Hidden names are skipped. Links are followed to files inside `root` only, never to folders.
    """
    found: list[Path] = []
    unread: list[Unread] = []
    home = root.resolve()

    def visit(folder: Path, left: int) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            unread.append(Unread(_relative(folder, root), f"folder cannot be listed: {reason(error)}"))
            return
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if left:
                    visit(path, left - 1)
                else:
                    unread.append(Unread(_relative(path, root), f"folders nest deeper than {depth}; left out"))
            elif entry.is_symlink() and not _leads_to_file_inside(path, home):
                unread.append(Unread(_relative(path, root), "link that leads out of the folder; not followed"))
            else:
                found.append(path)

    visit(root, depth)
    return found, unread


def require_inside(path: Path, root: Path) -> None:
    """Raise ``InputError`` where `path` is, or lies behind, a link that leads out of `root`."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{shown(path)}: link that leads out of the folder; not followed.")


def _leads_to_file_inside(path: Path, home: Path) -> bool:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    return target.is_relative_to(home) and not target.is_dir()


def _relative(path: Path, root: Path) -> str:
    return shown(path.relative_to(root.parent), 300)


def mapped(
    stream: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...], *, offset: int, order: Literal["C", "F"] = "C"
) -> NDArray[Any]:
    """Values that lie unpacked in an open file as a read-only array, loaded as they are used.

    The caller has made sure that the file holds them. Should another program cut the file short while the
    array is in use, the operating system ends the process.
    """
    array: NDArray[Any] = np.memmap(cast("Any", stream), dtype, "r", offset, shape, order)
    return array
