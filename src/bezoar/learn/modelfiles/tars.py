"""Tar archives: headers of 512 bytes with a checksum, names longer than they hold in members of their own (POSIX pax, GNU)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles.pieces import shown

_BLOCK = 512
_LONGEST = 2**20
Kind = Literal["file", "folder", "link", "special"]
_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"5": "folder",
    b"1": "link",
    b"2": "link",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry.

    Parameters
    ----------
    target : of a link.
    start, size : of its bytes.
    end : the byte after them, filled up to a whole block.
    """

    name: str
    kind: Kind
    target: str
    start: int
    size: int
    end: int


def is_tar(data: memoryview) -> bool:
    """Whether a header with a right checksum begins the bytes: old archives have no other mark."""
    head = bytes(data[:_BLOCK])
    if len(head) < _BLOCK or head[0] == 0:
        return False
    # Old writers summed the bytes with a sign.
    summed = head[:148] + b" " * 8 + head[156:]
    try:
        return _number(head[148:156]) in (sum(summed), sum(byte - 256 * (byte > 127) for byte in summed))
    except InputError:
        return False


def holds_something(data: memoryview) -> bool:
    """Whether the bytes are an archive with something in it. Files full of zeros pass for one with an empty member."""
    if not is_tar(data):
        return False
    try:
        return any(member.size or member.kind == "link" for member in members(data))
    except InputError:
        return bytes(data[148:156]).strip(b"\0 ") != b""


def members(data: memoryview) -> Iterator[Member]:
    """The entries up to two blocks of zeros.

    Raises
    ------
    InputError
        A header that is none, or an entry that lies beyond the end of the file.
    """
    at = 0
    longer: dict[str, str] = {}
    while at + _BLOCK <= len(data):
        block = data[at : at + _BLOCK]
        if not any(block):
            return
        if not is_tar(block):
            raise InputError(f"byte {at:,}: the archive has a header with a wrong checksum; not followed further")
        head = bytes(block)
        size, kind = _number(head[124:136]), head[156:157]
        if kind in b"xgLKXg" and size > _LONGEST:
            raise InputError("has a name of more than a megabyte")
        start, size = at + _BLOCK, _decimal(longer["size"]) if "size" in longer else size
        at = start + -(-size // _BLOCK) * _BLOCK
        if start + size > len(data):
            raise InputError(f"{shown(_name(head))}: lies beyond the end of the file")
        if kind in b"LK":
            longer["path" if kind == b"L" else "linkpath"] = _text(bytes(data[start : start + size]))
        elif kind in b"xX":
            longer |= _records(bytes(data[start : start + size]))
        elif kind == b"g":
            if _records(bytes(data[start : start + size])).keys() & {"path", "linkpath", "size"}:
                raise InputError("names all of its members at once")
        else:
            name = longer.get("path", _name(head))
            found: Kind = "folder" if name.endswith("/") and kind in b"0\0" else _KINDS.get(kind, "special")
            if any(key.startswith("GNU.sparse") for key in longer):
                found = "special"
            target = longer.get("linkpath", _text(head[157:257]))
            yield Member(name=name, kind=found, target=target, start=start, size=size, end=at)
            longer = {}


def _number(raw: bytes) -> int:
    """Octal digits, or a number of base 256 where the first bit is set."""
    if raw[:1] and raw[0] & 0x80:
        return int.from_bytes(bytes((raw[0] & 0x7F,)) + raw[1:], "big")
    digits = raw.strip(b" \0").split(b"\0")[0].strip()
    if not digits.isdigit() and digits:
        raise InputError("has a number that does not read")
    try:
        return int(digits or b"0", 8)
    except ValueError as error:
        raise InputError("has a number that does not read") from error


def _decimal(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise InputError("has a number that does not read")
    return int(digits)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "replace")


def _name(head: bytes) -> str:
    prefix = _text(head[345:500]) if head[257:262] == b"ustar" and head[262:263] == b"\0" else ""
    return f"{prefix}/{_text(head[:100])}" if prefix else _text(head[:100])


def _records(raw: bytes) -> dict[str, str]:
    """``LENGTH KEY=VALUE`` and a line end, again and again."""
    found: dict[str, str] = {}
    at = 0
    while at < len(raw) and raw[at]:
        digits = raw[at : at + 20].split(b" ")[0]
        if not digits.isdigit() or not 5 <= int(digits) <= len(raw) - at:
            raise InputError("has a record that does not read")
        key, equals, value = raw[at + len(digits) + 1 : at + int(digits) - 1].partition(b"=")
        if not equals:
            raise InputError("has a record that does not read")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at += int(digits)
    return found
