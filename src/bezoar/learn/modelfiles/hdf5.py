"""HDF5 as h5py and Keras write it: enough to find configurations in attributes, and links that leave the file.

Read by this module alone, by the HDF5 File Format Specification 3.0. Groups and attributes in fractal heaps, which
writers use for thousands of entries, are not followed and count as not analysed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import keras_config
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import REACHES, UNREAD, Reason

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST = 500_000
_SPARE = 2**26
_UNDEFINED = 2**64 - 1
_SOFT, _EXTERNAL = 1, 64
_LAYOUT, _VIRTUAL = 0x08, 3
_CONTINUED, _TABLE, _ATTRIBUTE, _LINK, _LINK_INFO, _ATTRIBUTE_INFO, _FILES = 0x10, 0x11, 0x0C, 0x06, 0x02, 0x15, 0x07


def signature(data: memoryview) -> int | None:
    """Where the superblock lies: at the beginning, or behind a user's block of 512 bytes or twice that and so on."""
    at = 0
    while at + 8 <= len(data):
        if bytes(data[at : at + 8]) == _SIGNATURE:
            return at
        at = max(512, at * 2)
    return None


@dataclass(slots=True)
class _File:
    """The file, the widths of its offsets and lengths, and what was seen of it."""

    data: memoryview
    offsets: int
    lengths: int
    seen: set[int] = field(default_factory=set)
    spent: int = 0

    def offset(self, at: int) -> int:
        return self.whole(at, self.offsets)

    def length(self, at: int) -> int:
        return self.whole(at, self.lengths)

    def whole(self, at: int, width: int) -> int:
        value = int.from_bytes(self.bytes(at, width), "little")
        return _UNDEFINED if value == (1 << 8 * width) - 1 else value

    def bytes(self, at: int, count: int) -> bytes:
        self.spent += count
        if self.spent > 4 * len(self.data) + _SPARE:
            raise InputError("leads its reader round in circles")
        if at < 0 or count < 0 or at + count > len(self.data):
            raise InputError(f"the file points to byte {at:,}, which is not there")
        return bytes(self.data[at : at + count])


@dataclass(frozen=True, slots=True)
class _Found:
    """An object that a group names: its path and the address of its header, or the file that it lies in."""

    path: str
    address: int
    elsewhere: str = ""


def scan(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge every object's attributes and links, from the root on."""
    file, root, start = _opened(piece.data)
    if start:
        yield piece.inner("what lies before the HDF5 data", piece.data[:start])
    waiting = [_Found("", root)]
    while waiting:
        found = waiting.pop()
        if found.elsewhere:
            yield Reason(REACHES, piece.at(found.path), f"lies in another file: {shown(found.elsewhere)}")
            continue
        if found.address in file.seen:
            continue
        file.seen.add(found.address)
        if len(file.seen) > _MOST:
            raise InputError(f"has more than {_MOST:,} objects")
        for kind, body in _messages(file, found.address):
            if kind == _ATTRIBUTE:
                yield from _attribute(file, body, found.path, piece)
            elif kind in (_TABLE, _LINK):
                waiting.extend(_table(file, body, found.path) if kind == _TABLE else _link(file, body, found.path))
            elif kind == _LAYOUT and body[0] > 3 and body[1] == _VIRTUAL:
                yield Reason(REACHES, piece.at(found.path), "is put together from data that may lie in other files")
            elif kind == _FILES:
                yield Reason(REACHES, piece.at(found.path), "keeps its data in other files")
            elif kind in (_LINK_INFO, _ATTRIBUTE_INFO) and _is_dense(file, kind, body):
                what = "has more attributes or members than are written in one place: not followed"
                yield Reason(UNREAD, piece.at(found.path or "/"), what)


def _opened(data: memoryview) -> tuple[_File, int, int]:
    """The file, the address of the root's header, and where the superblock lies. Addresses count from there."""
    start = signature(data)
    if start is None:
        raise InputError("has no HDF5 signature")
    body = data[start:]
    version = body[8]
    if version > 3:
        raise InputError(f"has a superblock of version {version}")
    widths = (body[13], body[14]) if version < 2 else (body[9], body[10])
    if not all(width in (2, 4, 8) for width in widths):
        raise InputError("has addresses of an unknown width")
    file = _File(body, *widths)
    base_at = (24 if version == 0 else 28) if version < 2 else 12
    base = file.offset(base_at)
    if base not in (0, start):
        raise InputError("counts its addresses from an unknown place")
    if version >= 2:
        return file, file.offset(12 + 3 * widths[0]), start
    return file, file.offset(base_at + 5 * widths[0]), start


def _messages(file: _File, address: int) -> Iterator[tuple[int, bytes]]:
    """The messages of an object header with its continuations."""
    head = file.bytes(address, 4)
    if head == b"OHDR":
        yield from _new_messages(file, address)
        return
    if head[0] != 1:
        raise InputError(f"has no object header at byte {address:,}")
    blocks = [(address + 16, int.from_bytes(file.bytes(address + 8, 4), "little"))]
    for at, size in blocks:
        if len(blocks) > 10_000:
            raise InputError("has an object header without end")
        block, place = file.bytes(at, size), 0
        while place + 8 <= size:
            kind, length, flags = struct.unpack_from("<HHB", block, place)
            body = block[place + 8 : place + 8 + length]
            place += 8 + length
            if kind == _CONTINUED and length >= file.offsets + file.lengths:
                blocks.append(_continuation(file, body))
            elif not flags & 2 or kind not in (_ATTRIBUTE, _LINK, _TABLE, _FILES):
                yield kind, body
            else:
                raise InputError("shares messages between objects")


def _continuation(file: _File, body: bytes) -> tuple[int, int]:
    width = file.offsets
    return int.from_bytes(body[:width], "little"), int.from_bytes(body[width : width + file.lengths], "little")


def _new_messages(file: _File, address: int) -> Iterator[tuple[int, bytes]]:
    flags = file.bytes(address + 5, 1)[0]
    at = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    blocks = [(at + width, file.whole(at, width))]
    extra = 2 if flags & 4 else 0
    for at, size in blocks:
        if len(blocks) > 10_000:
            raise InputError("has an object header without end")
        block, place = file.bytes(at, size), 0
        while place + 4 + extra <= size:
            kind, length, own = struct.unpack_from("<BHB", block, place)
            body = block[place + 4 + extra : place + 4 + extra + length]
            place += 4 + extra + length
            if kind == _CONTINUED:
                start, total = _continuation(file, body)
                if file.bytes(start, 4) != b"OCHK":
                    raise InputError("has a header that goes on where nothing is")
                blocks.append((start + 4, total - 8))
            elif own & 2 and kind in (_ATTRIBUTE, _LINK, _TABLE, _FILES):
                raise InputError("shares messages between objects")
            else:
                yield kind, body


def _is_dense(file: _File, kind: int, body: bytes) -> bool:
    """Whether links or attributes lie in a fractal heap: the address of one follows optional counters."""
    flags = body[1]
    at = 2 + (8 if kind == _LINK_INFO else 2) * (flags & 1)
    return int.from_bytes(body[at : at + file.offsets], "little") != (1 << 8 * file.offsets) - 1


def _table(file: _File, body: bytes, path: str) -> Iterator[_Found]:
    """The members of a group of the old kind: a B-tree of symbol nodes, with names in a heap."""
    width = file.offsets
    tree, heap = int.from_bytes(body[:width], "little"), int.from_bytes(body[width : 2 * width], "little")
    if file.bytes(heap, 4) != b"HEAP":
        raise InputError("has a group without names")
    names = file.offset(heap + 8 + 2 * file.lengths)
    waiting = [tree]
    while waiting:
        at = waiting.pop()
        if at in file.seen:
            continue
        file.seen.add(at)
        mark = file.bytes(at, 4)
        if mark == b"TREE":
            count = int.from_bytes(file.bytes(at + 6, 2), "little")
            first = at + 8 + 2 * width + file.lengths
            waiting.extend(file.offset(first + index * (width + file.lengths)) for index in range(count))
        elif mark == b"SNOD":
            count = int.from_bytes(file.bytes(at + 6, 2), "little")
            for index in range(count):
                entry = at + 8 + index * (2 * width + 24)
                name = _text(file, names + file.offset(entry))
                cached = int.from_bytes(file.bytes(entry + 2 * width, 4), "little")
                if cached != 2:  # a soft link leads to a name in this file
                    yield _Found(f"{path}/{name}"[-300:], file.offset(entry + width))
        else:
            raise InputError("has a group that does not read")


def _text(file: _File, at: int) -> str:
    raw = file.bytes(at, min(1024, len(file.data) - at))
    return raw.split(b"\0")[0].decode("utf-8", "replace")


def _link(file: _File, body: bytes, path: str) -> Iterator[_Found]:
    flags, at = body[1], 2
    kind = 0
    if flags & 8:
        kind, at = body[at], at + 1
    at += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    length = int.from_bytes(body[at : at + width], "little")
    name = body[at + width : at + width + length].decode("utf-8", "replace")
    rest = body[at + width + length :]
    if kind == 0:
        yield _Found(f"{path}/{name}"[-300:], int.from_bytes(rest[: file.offsets], "little"))
    elif kind == _EXTERNAL:
        yield _Found(f"{path}/{name}"[-300:], 0, rest[3:].split(b"\0")[0].decode("utf-8", "replace") or "?")
    elif kind != _SOFT:
        raise InputError(f"has a link of the kind {kind}")


_CONFIGS = ("model_config", "training_config", "config")


def _attribute(file: _File, body: bytes, path: str, piece: Piece) -> Iterator[Reason]:
    version = body[0]
    name_size, type_size, space_size = struct.unpack_from("<HHH", body, 2)
    at = 8 + (1 if version == 3 else 0)
    unit = 8 if version == 1 else 1
    name = body[at : at + name_size].split(b"\0")[0].decode("utf-8", "replace")
    kind = body[at + _rounded(name_size, unit) :][:type_size]
    content = body[at + _rounded(name_size, unit) + _rounded(type_size, unit) + _rounded(space_size, unit) :]
    where = piece.at(f"{path or '/'} attribute {name}")
    shared = version > 1 and body[1] & 3
    text = None if shared else _string(file, kind, content)
    if text is None:
        if name in _CONFIGS:
            yield Reason(UNREAD, where, "is a configuration that does not read")
        return
    if text.lstrip()[:1] in ("{", "[") and (name in _CONFIGS or '"class_name"' in text):
        for place, code, what in keras_config.problems_in_text(text):
            yield Reason(code, f"{where} {place}".strip(), what)


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _string(file: _File, kind: bytes, content: bytes) -> str | None:
    """A string attribute's text, of fixed length or in the global heap; None for anything else."""
    sort = kind[0] & 15
    if sort == 3:
        return content.split(b"\0")[0].decode("utf-8", "replace")
    if sort != 9 or kind[1] & 15 != 1:
        return None
    width = file.offsets
    length = int.from_bytes(content[:4], "little")
    heap, index = (
        int.from_bytes(content[4 : 4 + width], "little"),
        int.from_bytes(content[4 + width : 8 + width], "little"),
    )
    if file.bytes(heap, 4) != b"GCOL":
        raise InputError("has text that is not in its heap")
    at, end = heap + 8 + file.lengths, heap + file.length(heap + 8)
    while at + 8 + file.lengths <= end:
        number, size = int.from_bytes(file.bytes(at, 2), "little"), file.length(at + 8)
        if number == index:
            return file.bytes(at + 8 + file.lengths, min(size, length)).decode("utf-8", "replace")
        if number == 0:
            break
        at += 8 + file.lengths + -(-size // 8) * 8
    raise InputError("has text that is not in its heap")
