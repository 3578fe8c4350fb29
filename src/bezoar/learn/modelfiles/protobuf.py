"""The wire format of protocol buffers, read without any schema: field numbers with their values."""

from collections.abc import Iterator
from typing import Final

from bezoar.core.errors import InputError

Field = tuple[int, "int | memoryview"]
"""A field number, and a whole number or bytes. Numbers of fixed width are whole numbers as well."""
_MOST = 20_000_000
MOST_MESSAGES: Final = 5_000_000
"""Messages in messages that a scanner follows."""
_PROBED = 1_000_000


def fields(data: memoryview) -> Iterator[Field]:
    """The fields of one message.

    Raises
    ------
    InputError
        These bytes are no message.
    """
    at, size, count = 0, len(data), 0
    while at < size:
        count += 1
        if count > _MOST:
            raise InputError("has too many fields")
        key, at = _varint(data, at, size)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise InputError("has a field without a number")
        if wire == 0:
            value, at = _varint(data, at, size)
            yield number, value
        elif wire == 2:
            length, at = _varint(data, at, size)
            if length > size - at:
                raise InputError("has a field that is longer than the file")
            at += length
            yield number, data[at - length : at]
        elif wire in (1, 5):
            width = 8 if wire == 1 else 4
            if width > size - at:
                raise InputError("ends within a field")
            at += width
            yield number, int.from_bytes(data[at - width : at], "little")
        else:
            raise InputError(f"has a field of the wire type {wire}")


def _varint(data: memoryview, at: int, size: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= size:
            raise InputError("ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise InputError("has a number of more than ten bytes")


def text(value: "int | memoryview") -> str:
    """A field as text."""
    return "" if isinstance(value, int) else bytes(value[:65_536]).decode("utf-8", "replace")


def numbers(value: "int | memoryview") -> list[int]:
    """A repeated field of whole numbers: one, or several packed together."""
    if isinstance(value, int):
        return [value]
    found: list[int] = []
    at = 0
    while at < len(value) and len(found) < 1_000:
        number, at = _varint(value, at, len(value))
        found.append(number)
    return found


def kind_of(data: memoryview) -> str:
    """Which model format a message is by its fields: "onnx", "sentencepiece", or empty."""
    seen: dict[int, int | memoryview] = {}
    try:
        for count, (number, value) in enumerate(fields(data)):
            seen.setdefault(number, value)
            if count > _PROBED:
                break
    except InputError:
        return ""
    numbers_seen = set(seen)
    graph = seen.get(7)
    whole = isinstance(seen.get(1), int) and {7, 8} <= numbers_seen <= {*range(1, 9), 14, 20, 25, 26}
    if isinstance(graph, memoryview) and whole:
        return "onnx"
    first = seen.get(1)
    if isinstance(first, memoryview) and {1, 2} <= numbers_seen <= {1, 2, 3, 4, 5}:
        inner = {number for number, _ in fields(first)} if _is_message(first) else set()
        return "sentencepiece" if {1, 2} <= inner <= {1, 2, 3} else ""
    return ""


def _is_message(data: memoryview) -> bool:
    try:
        return all(True for _ in fields(data))
    except InputError:
        return False
