"""safetensors: a JSON header and raw tensors, which must lie one behind the other to the last byte."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import strict_json
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import LIES, UNREAD, Reason

LONGEST_HEADER: Final = 100_000_000
"""Bytes; the reference implementation reads no longer one."""
BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits of an element by type."""
_LONGEST_VALUE = 2**20
_MOST_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor in the file: bytes `begin` up to `end` of the whole file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(data: memoryview) -> tuple[dict[str, Any], tuple[str, ...], int]:
    """The header, keys that occur twice in it, and where the tensors begin.

    Raises
    ------
    InputError
        There is none, or it is too long.
    """
    length = int.from_bytes(data[:8], "little")
    if length > LONGEST_HEADER:
        raise InputError(f"has a header of {length:,} bytes; {LONGEST_HEADER:,} are the most")
    if len(data) < 8 + length or length < 2:
        raise InputError("ends within its header")
    try:
        text = bytes(data[8 : 8 + length]).decode()
    except UnicodeDecodeError as error:
        raise InputError("has a header that is not UTF-8") from error
    header, repeated = strict_json.parse(text)
    if not isinstance(header, dict):
        raise InputError("has a header that is no table of tensors")
    return header, repeated, 8 + length


def tensors(header: dict[str, Any], start: int, size: int) -> tuple[list[Tensor], list[str]]:
    """The tensors in the order of their bytes, and what is wrong with the header, a sentence each."""
    found, wrong = [], []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        tensor = _tensor(name, entry, start)
        if tensor is None:
            wrong.append(f"{shown(name)}: has no type, shape and place, or others as well")
            continue
        bits = prod(tensor.shape) * BITS[tensor.dtype]
        if bits != 8 * (tensor.end - tensor.begin):
            what = f"{tensor.dtype} {list(tensor.shape)[:8]}"
            wrong.append(f"{shown(name)}: {what} does not take {tensor.end - tensor.begin:,} bytes")
        if tensor.end > size:
            wrong.append(f"{shown(name)}: lies beyond the end of the file")
        found.append(tensor)
    found.sort(key=lambda tensor: (tensor.begin, tensor.end))
    at = start
    for tensor in found:
        if tensor.begin < at:
            wrong.append(f"{shown(tensor.name)}: overlaps the tensor before it")
        elif tensor.begin > at:
            wrong.append(f"{shown(tensor.name)}: {tensor.begin - at:,} bytes before it belong to no tensor")
        at = max(at, tensor.end)
    if at < size:
        wrong.append(f"{size - at:,} bytes follow the last tensor")
    return found, wrong


def _tensor(name: str, entry: Any, start: int) -> Tensor | None:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return None
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    whole = all(
        isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**63 for n in numbers)
        for numbers in (shape, offsets)
    )
    if not whole or not isinstance(dtype, str) or dtype not in BITS or len(offsets) != 2 or offsets[0] > offsets[1]:
        return None
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), begin=start + offsets[0], end=start + offsets[1])


def scan(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge the header against the file, and its metadata, which are text by name."""
    try:
        header, repeated, start = read_header(piece.data)
    except InputError as error:
        yield Reason(LIES, piece.where, f"the file {error}")
        return
    for key in repeated[:_MOST_REASONS]:
        yield Reason(LIES, piece.at(key), "occurs more than once in the header: readers may take different ones")
    _, wrong = tensors(header, start, len(piece.data))
    for what in wrong[:_MOST_REASONS]:
        yield Reason(LIES, piece.where, what)
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        yield Reason(LIES, piece.at("__metadata__"), "holds something else than text")
    elif any(len(value) > _LONGEST_VALUE for value in metadata.values()):
        yield Reason(UNREAD, piece.at("__metadata__"), "holds an entry of more than a megabyte, which is no metadata")
