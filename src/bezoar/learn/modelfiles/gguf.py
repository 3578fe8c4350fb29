"""GGUF: keys with values, descriptions of tensors, tensors. Its chat templates are programs."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import templates
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import LIES, UNREAD, Reason

_FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip
"""Elements and bytes of a block by tensor type."""
_MOST = 1_000_000
_MOST_ELEMENTS = 10_000_000
_MOST_REASONS = 20
_LONGEST = 64 * 2**20
_KEPT = 100


@dataclass(slots=True)
class _Reader:
    data: memoryview
    order: str
    version: int
    at: int = 8
    elements: int = 0

    def number(self, form: str) -> Any:
        (value,) = struct.unpack_from(self.order + form, self.data, self.at)
        self.at += struct.calcsize(self.order + form)
        return value

    def count(self) -> int:
        """A length: 32 bits in the first version."""
        return int(self.number("I" if self.version == 1 else "Q"))

    def text(self) -> str:
        length = self.count()
        if length > _LONGEST or length > len(self.data) - self.at:
            raise InputError(f"has a text of {length:,} bytes")
        self.at += length
        return bytes(self.data[self.at - length : self.at]).decode("utf-8", "replace")

    def skip_text(self) -> None:
        length = self.count()
        if length > len(self.data) - self.at:
            raise InputError(f"has a text of {length:,} bytes")
        self.at += length

    def value(self, kind: int) -> Any:
        """A value; of an array only the text in it, as a list."""
        if kind == _STRING:
            return self.text()
        if kind in _FORMS:
            return self.number(_FORMS[kind])
        if kind != _ARRAY:
            raise InputError(f"has a value of the unknown type {kind}")
        inner, count = int(self.number("I")), self.count()
        self.elements += count
        if self.elements > _MOST_ELEMENTS:
            raise InputError("has arrays of too many elements")
        if inner in _FORMS:
            size = count * struct.calcsize(_FORMS[inner])
            if size > len(self.data) - self.at:
                raise InputError("has an array that is longer than the file")
            self.at += size
            return None
        if inner != _STRING:
            raise InputError("has arrays in arrays")
        if count <= _KEPT:
            return [self.text() for _ in range(count)]
        for _ in range(count):
            self.skip_text()
        return None


def scan(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge the templates among the keys, and where the tensors lie."""
    raw = int.from_bytes(piece.data[4:8], "little")
    order, version = ("<", raw) if raw < 2**16 else (">", int.from_bytes(piece.data[4:8], "big"))
    if version not in (1, 2, 3):
        raise InputError(f"has the unknown version {version}")
    reader = _Reader(piece.data, order, version)
    tensors, keys = reader.count(), reader.count()
    if max(tensors, keys) > _MOST:
        raise InputError(f"says that it has {tensors:,} tensors and {keys:,} keys")
    seen: set[str] = set()
    alignment = 32
    for _ in range(keys):
        name = reader.text()
        if name in seen:
            yield Reason(LIES, piece.at(name), "occurs more than once: readers may take different ones")
        seen.add(name)
        value = reader.value(int(reader.number("I")))
        if name == "general.alignment" and isinstance(value, int):
            alignment = value
        yield from _judged(name, value, piece)
    if alignment <= 0 or alignment % 8 or alignment > 2**20:
        raise InputError(f"asks for an alignment of {alignment:,}")
    yield from _placed(reader, tensors, alignment, piece)


def _judged(name: str, value: Any, piece: Piece) -> Iterator[Reason]:
    for number, text in enumerate(value if isinstance(value, list) else [value]):
        if not isinstance(text, str) or not (
            "chat_template" in name or "{%" in text or ("{{" in text and "}}" in text)
        ):
            continue
        where = piece.at(name if not isinstance(value, list) else f"{name}[{number}]")
        if "chat_template" not in name and name.startswith("tokenizer.ggml.tokens"):
            continue
        try:
            yield from templates.judge(text, where)
        except InputError as error:
            if "chat_template" in name:
                yield Reason(UNREAD, where, str(error))


def _placed(reader: _Reader, count: int, alignment: int, piece: Piece) -> Iterator[Reason]:
    """Every tensor within the file, none over another."""
    places: list[tuple[int, int, str]] = []
    names: set[str] = set()
    wrong: list[str] = []
    for _ in range(count):
        name = reader.text()
        dimensions = int(reader.number("I"))
        if dimensions > 8:
            raise InputError(f"{shown(name)}: has {dimensions:,} dimensions")
        shape = [reader.count() for _ in range(dimensions)]
        kind, offset = int(reader.number("I")), int(reader.number("Q"))
        if name in names:
            wrong.append(f"{shown(name)}: occurs more than once")
        names.add(name)
        if kind not in _BLOCKS:
            yield Reason(UNREAD, piece.at(name), f"has the unknown type {kind}")
            continue
        block, size = _BLOCKS[kind]
        if offset % alignment or (shape and shape[0] % block):
            wrong.append(f"{shown(name)}: does not begin or end where its type asks")
        places.append((offset, offset + -(-prod(shape) // block) * size, name))
    start = -(-reader.at // alignment) * alignment
    end, before = 0, ""
    for first, last, name in sorted(places):
        if first < end:
            wrong.append(f"{shown(name)}: overlaps {shown(before)}")
        elif first - end >= alignment:
            wrong.append(f"{shown(name)}: {first - end:,} bytes before it belong to no tensor")
        if start + last > len(piece.data):
            wrong.append(f"{shown(name)}: lies beyond the end of the file")
        end, before = max(end, last), name
    if len(piece.data) - start - end >= alignment:
        wrong.append(f"{len(piece.data) - start - end:,} bytes follow the last tensor")
    yield from (Reason(LIES, piece.where, what) for what in wrong[:_MOST_REASONS])
