"""ONNX: the operators that a graph asks for, and where its tensors lie. Field numbers are those of onnx.proto3."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import zips
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.protobuf import MOST_MESSAGES, fields, numbers, text
from bezoar.learn.modelfiles.verdict import CARRIES, EXECUTES, LIES, REACHES, UNREAD, Reason

_STANDARD = frozenset(
    (
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.training",
        "ai.onnx.preview.training",
        "com.microsoft",
        "com.microsoft.nchwc",
    )
)
_PYTHON = frozenset(("PyOp", "PythonOp", "PythonOpGrad", "PyCustomOp", "PyFunc", "TritonOp"))
_BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16, 17: 8,
    18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
_TYPED = {4: 4, 5: 1, 7: 1, 10: 8, 11: 1}
"""Fields of typed elements with the least bytes of an element: fixed ones have their width, varints at least one."""
_STRING = 8
_MOST = 100
_INNER = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""The messages in a message by field number."""


def scan(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge every node and every tensor, in graphs within graphs and in functions too."""
    local: set[tuple[str, str]] = set()
    asked: dict[tuple[str, str], None] = {}
    count = parts = 0
    waiting: list[tuple[str, memoryview]] = [("model", piece.data)]
    while waiting:
        kind, data = waiting.pop()
        parts += 1
        if parts + len(waiting) > MOST_MESSAGES:
            raise InputError("has too many parts")
        inner = _INNER.get(kind, {})
        found = {3: "", 4: "", 7: "", 10: "", 1: ""}
        if kind == "tensor":
            for reason in _tensor(data, piece):
                count += 1
                if count <= _MOST:
                    yield reason
            continue
        for number, value in fields(data):
            if number in inner and isinstance(value, memoryview):
                waiting.append((inner[number], value))
            elif number in found and isinstance(value, memoryview):
                found[number] = text(value)
        if kind == "node":
            asked[found[7], found[4]] = None
        elif kind == "function":
            local.add((found[10], found[1]))
    for domain, operator in asked:
        yield from _operator(domain, operator, (domain, operator) in local, piece)


def _operator(domain: str, operator: str, local: bool, piece: Piece) -> Iterator[Reason]:
    if operator in _PYTHON:
        yield Reason(EXECUTES, piece.where, f"has the operator {shown(f'{domain}.{operator}')}, which runs Python")
    elif operator == "EPContext":
        yield Reason(CARRIES, piece.where, "has a program for an accelerator in it, or in a file that it names")
    elif domain not in _STANDARD and not local:
        what = f"needs a library for the operator {shown(f'{domain}.{operator}')}, whose code is not here"
        yield Reason(CARRIES if domain == "ai.onnx.contrib" else UNREAD, piece.where, what)


def _tensor(data: memoryview, piece: Piece) -> Iterator[Reason]:
    shape: list[int] = []
    kind, name, raw, external, typed = 0, "", None, False, 0
    entries: dict[str, str] = {}
    for number, value in fields(data):
        if number == 1:
            shape += numbers(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = text(value)
        elif number == 9 and isinstance(value, memoryview):
            raw = len(value)
        elif number == 13 and isinstance(value, memoryview):
            pair = {n: text(v) for n, v in fields(value)}
            entries[pair.get(1, "")] = pair.get(2, "")
        elif number == 14:
            external = value == 1
        elif number in _TYPED or number == 6:
            typed += len(value) if isinstance(value, memoryview) else 1
    where = piece.at(name or "a tensor without a name")
    size = -(-prod(shape) * _BITS.get(kind, 0) // 8)
    if any(dimension >= 2**63 for dimension in shape) or prod(shape) > 2**50:
        yield Reason(LIES, where, f"says that it has the shape {shape[:8]}")
    elif external or entries:
        yield from _external(entries, size, where, piece)
    elif raw is not None and raw != size and kind != _STRING:
        yield Reason(LIES, where, f"takes {size:,} bytes by its shape and type, and has {raw:,}")
    elif raw is None and kind in _BITS and typed < prod(shape) * (1 if kind > 1 else 4) and prod(shape) > 0:
        if kind not in (14, 15, 21, 22, 23, 25, 26):
            yield Reason(LIES, where, f"says that it has {prod(shape):,} elements, which are not there")
    elif kind not in _BITS and kind != _STRING:
        yield Reason(UNREAD, where, f"has the unknown type {kind}")


def _external(entries: dict[str, str], size: int, where: str, piece: Piece) -> Iterator[Reason]:
    location = entries.get("location", "")
    if zips.leads_out(location) or not location:
        yield Reason(REACHES, where, f"lies outside of the folder: {shown(location)}")
        return
    if piece.folder is None:
        return
    file = piece.folder / location
    try:
        inside = _is_inside(file, piece.folder)
        there = file.stat().st_size
        start, length = int(entries.get("offset") or 0), int(entries.get("length") or size)
    except (OSError, ValueError, RuntimeError):
        yield Reason(UNREAD, where, f"lies in {shown(location)}, which is not there")
        return
    if not inside:
        yield Reason(REACHES, where, f"lies behind a link that leads out of the folder: {shown(location)}")
    elif start < 0 or length < 0 or start + length > there:
        yield Reason(LIES, where, f"lies beyond the end of {shown(location)}")
    elif length != size:
        yield Reason(LIES, where, f"takes {size:,} bytes by its shape and type, and has {length:,}")


def _is_inside(file: Path, folder: Path) -> bool:
    return file.resolve(strict=True).is_relative_to(folder.resolve())


def external_files(data: memoryview) -> set[str]:
    """The files that tensors of a graph lie in, as they are named.

    Raises
    ------
    InputError
        The graph does not read.
    """
    found: set[str] = set()
    waiting: list[tuple[str, memoryview]] = [("model", data)]
    while waiting:
        kind, message = waiting.pop()
        if len(waiting) > MOST_MESSAGES:
            raise InputError("has too many parts")
        for number, value in fields(message):
            if not isinstance(value, memoryview):
                continue
            if kind == "tensor" and number == 13:
                pair = {n: text(v) for n, v in fields(value)}
                if pair.get(1) == "location":
                    found.add(pair.get(2, ""))
            elif number in _INNER.get(kind, {}):
                waiting.append((_INNER[kind][number], value))
    return found
