"""Writing a file so that a half-written one never looks whole."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bezoar.core.errors import OutputError


def write_atomically(path: str | os.PathLike[str], writer: Callable[[BinaryIO], None]) -> Path:
    """Let `writer` fill a temporary file beside `path`, then put it in the place of `path`.

    Readers see the old file or the whole new one, also after a crash. Missing folders are made.

    Parameters
    ----------
    path : where the file shall be.
    writer : called once with the open temporary file.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputError
        No permission, no space, a folder in the way. Nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                writer(stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}.") from error
    return path


def write_bytes(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write `content` to `path` as :func:`write_atomically` does."""

    def fill(stream: BinaryIO) -> None:
        stream.write(content)

    return write_atomically(path, fill)


def write_text(path: str | os.PathLike[str], content: str) -> Path:
    """Write `content` to `path` in UTF-8 as :func:`write_atomically` does."""
    return write_bytes(path, content.encode())


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a crash; file systems that cannot are left alone."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
