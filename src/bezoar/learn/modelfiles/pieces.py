"""Bytes to judge, what may be spent on them, and what scanners are."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles.verdict import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a hostile file is worked through before the rest counts as not analysed.

    Parameters
    ----------
    unpacked_bytes : all that is unpacked from one file, together.
    times : how many times its packed size something may unpack to, where that is more than 256 MB.
    pieces : members of archives, and of archives in them.
    depth : of archives in archives and pickles in pickles.
    opcodes : pickle instructions in one file.
    kept_bytes : strings of pickles that are kept to be compared.
    text_bytes : of JSON, templates and sources.
    """

    unpacked_bytes: int = 4 * 2**30
    times: int = 250
    pieces: int = 200_000
    depth: int = 5
    opcodes: int = 20_000_000
    kept_bytes: int = 512 * 2**20
    text_bytes: int = 64 * 2**20


_IN_MEMORY = 32 * 2**20
_LARGE = 256 * 2**20


@dataclass(slots=True, kw_only=True, eq=False)
class Budget:
    """What is left of the limits for one file: all its pieces draw on it."""

    limits: Limits
    unpacked: int = field(init=False)
    pieces: int = field(init=False)
    opcodes: int = field(init=False)
    kept: int = field(init=False)

    def __post_init__(self) -> None:
        self.unpacked = self.limits.unpacked_bytes
        self.pieces = self.limits.pieces
        self.opcodes = self.limits.opcodes
        self.kept = self.limits.kept_bytes

    def unpack(self, size: int) -> None:
        """Take `size` bytes off what may be unpacked; raise ``InputError`` where that is too many."""
        self.unpacked -= size
        if self.unpacked < 0:
            raise InputError(f"unpacks to more than {self.limits.unpacked_bytes:,} bytes; not unpacked further")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """A file, or a part of one that is judged for itself.

    Parameters
    ----------
    name : its own name, as a loader would see it.
    where : how to get there from the file; empty for the file itself.
    data : its bytes.
    budget : what may still be spent, shared with all pieces of the file.
    depth : how many containers it lies in.
    folder : where the file lies on disk; None for a part of a file.
    format : what it must be read as; empty to find out.
    """

    name: str
    where: str
    data: memoryview
    budget: Budget
    depth: int = 0
    folder: Path | None = None
    format: str = ""

    def inner(self, name: str, data: memoryview | bytes, *, format: str = "") -> "Piece":
        """A part of this piece."""
        where = f"{self.where}: {shown(name, 200)}" if self.where else shown(name, 200)
        return Piece(
            name=name, where=where, data=memoryview(data), budget=self.budget, depth=self.depth + 1, format=format
        )

    def at(self, place: int | str) -> str:
        """A place in it for a person: a byte, or a name."""
        spot = f"byte {place:,}" if isinstance(place, int) else shown(place, 200)
        return f"{self.where}, {spot}" if self.where else spot

    def text(self) -> str:
        """All of it as UTF-8; raises ``InputError`` where it is too long or something else."""
        if len(self.data) > self.budget.limits.text_bytes:
            raise InputError(f"{len(self.data):,} bytes of text are over the limit")
        try:
            return bytes(self.data).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"is not UTF-8 text at byte {error.start:,}") from error


Scanner = Callable[[Piece], Iterator[Reason | Piece]]
"""Gives reasons, and parts that have to be judged for themselves. What it raises as ``InputError`` was not analysed."""


def shown(text: object, width: int = 80) -> str:
    """Text from a hostile file on one line: what does not print is escaped, and it is shortened."""
    raw = str(text)
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in raw[:width])
    return clean + ("..." if len(raw) > width else "")


def words(text: str) -> frozenset[str]:
    """The words of a text, for tables of names."""
    return frozenset(text.split())


def spooled(chunks: Iterator[bytes], budget: Budget, packed: int) -> memoryview:
    """Chunks joined: in memory where they are few, else in a nameless file that goes with the last use of them.

    `packed` is how many bytes they come from.
    """
    parts: list[bytes] = []
    total = 0
    with contextlib.ExitStack() as opened:
        file: IO[bytes] | None = None
        for chunk in chunks:
            budget.unpack(len(chunk))
            total += len(chunk)
            if total > _LARGE and total > budget.limits.times * packed:
                raise InputError(f"unpacks to more than {budget.limits.times} times its size; not unpacked further")
            if file is None and total > _IN_MEMORY:
                file = opened.enter_context(tempfile.TemporaryFile())
                file.write(b"".join(parts))
                parts = []
            if file is None:
                parts.append(chunk)
            else:
                file.write(chunk)
        if file is None:
            return memoryview(b"".join(parts))
        file.flush()
        return memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
