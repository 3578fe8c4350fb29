"""A disk that takes so many files and then no more."""

import errno

import pytest

from bezoar.core import files


def fill_after(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Every file is flushed once, and so is its folder: the one after `room` files finds no space."""
    real, flushed = files.os.fsync, []

    def fsync(descriptor: int) -> None:
        flushed.append(descriptor)
        if len(flushed) > 2 * room:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
