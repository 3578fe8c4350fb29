"""torch's formats: the zip of today, and the row of pickles with raw storages of before 2019."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import archives, pickles, zips
from bezoar.learn.modelfiles.inspector import Inspector
from bezoar.learn.modelfiles.pickle_values import Global, Value
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import CARRIES, EXECUTES, LIES, UNREAD, Reason

BYTES: Final = {
    "FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "ByteStorage": 1, "CharStorage": 1,
    "ShortStorage": 2, "IntStorage": 4, "LongStorage": 8, "BoolStorage": 1, "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QInt32Storage": 4, "QUInt8Storage": 1, "QUInt4x2Storage": 1,
    "QUInt2x4Storage": 1, "UntypedStorage": 1, "_UntypedStorage": 1,
}  # fmt: skip
"""Bytes of an element by storage type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A storage that a pickle asks for.

    Parameters
    ----------
    kind : the storage type, such as "FloatStorage".
    key : its name in the file.
    count : of elements.
    """

    kind: str
    key: str
    count: int

    @property
    def length(self) -> int:
        """In bytes."""
        return self.count * BYTES[self.kind]


def wanted(identity: Value) -> Wanted | None:
    """The storage that a persistent identifier names, None where it is not one of torch's."""
    if not (isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage"):
        return None
    kind, key, location, count = identity[1:5]
    fits = isinstance(kind, Global) and kind.name in BYTES and isinstance(key, str) and isinstance(location, str)
    return Wanted(kind=kind.name, key=key, count=count) if fits and type(count) is int and count >= 0 else None


def scan_zip(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge a checkpoint: its pickle, and whether the storages are those that the pickle asks for.

    A file with ``constants.pkl`` is a TorchScript program, which ``torch.load`` hands to another loader.
    """
    archive = zips.read(piece.data)
    yield from archives.placed(piece, archive.reasons)
    names = {member.name for member in archive.members}
    script = any(name.endswith("constants.pkl") or "/code/" in name for name in names)
    if any(name.endswith((".data/extern_modules", ".data/python_version")) for name in names):
        yield Reason(CARRIES, piece.where, "is a torch.package: Python code that is run when it is imported")
    asked: dict[str, Wanted] = {}
    for member in archive.members:
        if member.name.endswith("data.pkl"):
            yield from _pickle(piece, member, script, asked)
    prefix = archive.members[0].name.partition("/")[0]
    text = []
    for member in archive.members:
        want = asked.pop(member.name.removeprefix(f"{prefix}/data/"), None)
        if member.name.endswith("data.pkl"):
            continue
        if want is not None or (script and "/data/" in member.name):
            yield from _storage(piece, member, want)
        elif script and (member.name.endswith(".pkl") or "/code/" in member.name or "/constants/" in member.name):
            text.append(member)
        else:
            yield from archives.opened(piece, member)
    if script:
        yield from _program(piece, text)
    for want in asked.values():
        yield Reason(LIES, piece.where, f"the pickle asks for the storage {shown(want.key)}, which is not there")


def _pickle(piece: Piece, member: zips.Member, script: bool, asked: dict[str, Wanted]) -> Iterator[Reason | Piece]:
    content, reasons = zips.unpack(piece.data, member, piece.budget)
    yield from archives.placed(piece, reasons)
    inner = piece.inner(member.name, content)
    inspector = Inspector(inner, loader="torch")
    try:
        _, end = pickles.follow(inner, 0, inspector)
        if end != len(content):
            yield Reason(LIES, inner.where, f"{len(content) - end:,} bytes follow the pickle")
    except InputError as error:
        yield Reason(UNREAD, inner.where, str(error))
        yield from pickles.names_in(inner, 0)
    for identity, at in inspector.stored:
        want = wanted(identity)
        if want is None:
            yield Reason(UNREAD, inner.at(at), "asks for a storage in a way that torch does not write")
        elif asked.setdefault(want.key, want) != want and asked[want.key].length != want.length:
            yield Reason(LIES, inner.at(at), f"asks for the storage {shown(want.key)} in two sizes")
    found = inspector.reasons.values()
    # The classes of a TorchScript program are its own; they are no names that Python would import.
    yield from (reason for reason in found if not script or reason.code == EXECUTES)
    yield from inspector.inner


def _storage(piece: Piece, member: zips.Member, want: Wanted | None) -> Iterator[Reason]:
    try:
        content, reasons = zips.unpack(piece.data, member, piece.budget)
    except InputError as error:
        yield Reason(UNREAD, piece.at(member.name), str(error))
        return
    yield from archives.placed(piece, reasons)
    if want is not None and len(content) != want.length:
        what = f"has {len(content):,} bytes where the pickle asks for {want.length:,}"
        yield Reason(LIES, piece.at(member.name), what)


_ACTING = re.compile(r"\b(?:torch|aten)(?:\.|::)(from_file|save|load|hub\w*|_C\w*)\b|\bops\.([a-z_]\w*)\.(\w+)")


def _program(piece: Piece, members: list[zips.Member]) -> Iterator[Reason]:
    what = "holds a TorchScript program, which runs when the model is called and was not judged"
    yield Reason(UNREAD, piece.where, what)
    for member in members:
        if not member.name.endswith(".py"):
            continue
        try:
            content, reasons = zips.unpack(piece.data, member, piece.budget)
        except InputError as error:
            yield Reason(UNREAD, piece.at(member.name), str(error))
            continue
        yield from archives.placed(piece, reasons)
        for match in _ACTING.finditer(bytes(content[:_SOURCE]).decode("utf-8", "replace")):
            if match[1] or match[2] not in ("prim", "aten", "quantized", "torchvision"):
                what = f"its program calls {shown(match[0])}, which reaches files or code from elsewhere"
                yield Reason(CARRIES, piece.at(member.name), what)


_SOURCE = 8 * 2**20
PICKLES = 5
"""Magic number, protocol, system, the object, the keys of its storages."""
_MAGIC = 0x1950A86A20F9469CFC6C


def scan_legacy(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge a file of torch before 1.6: five pickles, then each storage with its number of elements before it."""
    inspector = Inspector(piece, loader="torch")
    at, keys = 0, None
    try:
        for number in range(PICKLES):
            keys, end = pickles.follow(piece, at, inspector)
            if number == 0 and keys != _MAGIC:
                raise InputError("does not begin with torch's number")
            at = end
        yield from _raw_storages(piece, at, keys, inspector)
    except InputError as error:
        yield Reason(UNREAD, piece.where, str(error))
        yield from pickles.names_in(piece, at)
    yield from inspector.reasons.values()
    yield from inspector.inner


def _raw_storages(piece: Piece, at: int, keys: Value, inspector: Inspector) -> Iterator[Reason]:
    places = legacy_storages(
        piece.data, at, keys, {want.key: want for want in map(wanted, (i for i, _ in inspector.stored)) if want}
    )
    end = max((start + length for start, length in places.values()), default=at)
    if end != len(piece.data):
        yield Reason(UNREAD, piece.where, f"{len(piece.data) - end:,} bytes follow the last storage")


def legacy_storages(data: memoryview, at: int, keys: Value, asked: dict[str, Wanted]) -> dict[str, tuple[int, int]]:
    """Where each storage lies: its first byte and its length.

    Raises
    ------
    InputError
        The list of storages and the storages do not agree.
    """
    whole = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not whole or set(keys) != set(asked) or len(keys) != len(asked):
        raise InputError("lists other storages than its pickle asks for")
    places = {}
    for key in keys:
        want = asked[key]
        count = int.from_bytes(data[at : at + 8], "little", signed=True)
        if count != want.count or at + 8 + want.length > len(data):
            raise InputError(f"the storage {shown(key)} has {count:,} elements where {want.count:,} are asked for")
        places[key] = (at + 8, want.length)
        at += 8 + want.length
    return places
