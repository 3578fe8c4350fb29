"""UBJSON, in which xgboost saves trees: checked from the first byte to the last, nothing is built."""

import struct
from collections.abc import Iterator

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles.pieces import Piece
from bezoar.learn.modelfiles.verdict import UNREAD, Reason

_FORMS = {ord("i"): "b", ord("U"): "B", ord("I"): "h", ord("l"): "i", ord("L"): "q", ord("d"): "f", ord("D"): "d"}
_WHOLE = frozenset(b"iUIlL")
_EMPTY = frozenset(b"ZTFN")
_DEEPEST = 200
_MOST = 20_000_000


def is_ubjson(head: bytes) -> bool:
    """Whether bytes begin as an object of UBJSON with a key that is text."""
    if len(head) < 4 or head[0] != ord("{") or head[1] not in _WHOLE:
        return False
    width = struct.calcsize(">" + _FORMS[head[1]])
    length = int.from_bytes(head[2 : 2 + width], "big", signed=True)
    key = head[2 + width : 2 + width + length]
    return 0 < length < 256 and len(key) == length and key.isascii() and key.decode().isprintable()


def scan_ubjson(piece: Piece) -> Iterator[Reason | Piece]:
    """Follow the values to the end of the file."""
    data, at = piece.data, 0
    # A container: whether it is an object, how many values are left (None: up to its end mark), and of which type.
    stack: list[tuple[bool, int | None, int | None]] = []
    for _ in range(_MOST):
        if stack:
            is_object, left, kind = stack.pop()
            if left == 0 or (left is None and data[at] == (ord("}") if is_object else ord("]"))):
                at += left is None
                if not stack:
                    break
                continue
            stack.append((is_object, None if left is None else left - 1, kind))
            if is_object:
                length, at = _whole(data, at)
                at = _past(data, at, length)
            if kind is None:
                kind, at = data[at], at + 1
        else:
            kind, at = data[at], at + 1
        at, opened = _value(data, at, kind)
        if opened is not None:
            stack.append(opened)
            if len(stack) > _DEEPEST:
                raise InputError("nests too deeply")
        elif not stack:
            break
    else:
        raise InputError("has too many values")
    if at != len(data):
        yield Reason(UNREAD, piece.where, f"{len(data) - at:,} bytes follow the last value")


def _value(data: memoryview, at: int, kind: int) -> tuple[int, tuple[bool, int | None, int | None] | None]:
    """Where a value ends, or the container that it opens."""
    if kind in _FORMS:
        return _past(data, at, struct.calcsize(_FORMS[kind])), None
    if kind in _EMPTY:
        return at, None
    if kind == ord("C"):
        return _past(data, at, 1), None
    if kind in b"SH":
        length, at = _whole(data, at)
        return _past(data, at, length), None
    if kind not in b"[{":
        raise InputError(f"has a value of the unknown type {kind:#04x} at byte {at:,}")
    inner: int | None = None
    if data[at] == ord("$"):
        inner, at = data[at + 1], at + 2
        if data[at] != ord("#"):
            raise InputError("has a typed container without a length")
    if data[at] != ord("#"):
        return at, (kind == ord("{"), None, None)
    count, at = _whole(data, at + 1)
    if inner in _FORMS and kind == ord("["):
        return _past(data, at, count * struct.calcsize(">" + _FORMS[inner])), None
    return at, (kind == ord("{"), count, inner)


def _whole(data: memoryview, at: int) -> tuple[int, int]:
    """A length, which is a whole number with its type before it."""
    form = ">" + _FORMS[data[at]] if data[at] in _WHOLE else ""
    if not form:
        raise InputError(f"has a length that is no whole number at byte {at:,}")
    (value,) = struct.unpack_from(form, data, at + 1)
    if value < 0:
        raise InputError("has a negative length")
    return value, at + 1 + struct.calcsize(form)


def _past(data: memoryview, at: int, length: int) -> int:
    if length > len(data) - at:
        raise InputError("has a value that is longer than the file")
    return at + length
