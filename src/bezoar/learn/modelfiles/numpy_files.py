"""numpy's .npy, and .npz by way of its members: plain numbers, or pickles where the elements are objects."""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import pickles
from bezoar.learn.modelfiles.array_types import shape_of
from bezoar.learn.modelfiles.inspector import Inspector
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import LIES, UNREAD, Reason

_LONGEST_HEADER = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the header says: type, shape and order of the elements, which begin at the byte `start`."""

    dtype: "np.dtype[Any]"
    shape: tuple[int, ...]
    fortran: bool
    start: int


def read_header(data: memoryview) -> Header:
    """The header of a .npy file.

    Raises
    ------
    InputError
        It is none.
    """
    major = data[6] if len(data) > 12 else 0
    if major not in (1, 2, 3):
        raise InputError("has no header of a known version")
    width = 2 if major == 1 else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    start = 8 + width + length
    if length > _LONGEST_HEADER or start > len(data):
        raise InputError(f"has a header of {length:,} bytes")
    text = bytes(data[8 + width : start]).decode("latin-1")
    if not re.fullmatch(r"[\w\s{}()\[\],:'\"<>|=.+#-]*", text):
        raise InputError("has a header that is no description of an array")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            described = ast.literal_eval(text.strip())
            if not isinstance(described, dict) or set(described) != {"descr", "fortran_order", "shape"}:
                raise InputError("has a header with other entries than descr, fortran_order and shape")
            dtype = np.lib.format.descr_to_dtype(described["descr"])
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, IndexError, KeyError) as error:
        raise InputError(f"has a header that does not read: {shown(error)}") from error
    shape = shape_of(described["shape"])
    if shape is None:
        raise InputError("has a header without a shape")
    return Header(dtype=dtype, shape=shape, fortran=bool(described["fortran_order"]), start=start)


def scan(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge an array: of numbers by its size, of objects by its pickle."""
    header = read_header(piece.data)
    body = piece.data[header.start :]
    if not header.dtype.hasobject:
        length = prod(header.shape) * header.dtype.itemsize
        if length != len(body):
            what = f"says that it holds {length:,} bytes, and holds {len(body):,}"
            yield Reason(LIES if length < len(body) else UNREAD, piece.where, what)
        return
    inspector = Inspector(piece)
    try:
        _, end = pickles.follow(piece, header.start, inspector)
        if end != len(piece.data):
            yield Reason(UNREAD, piece.where, f"{len(piece.data) - end:,} bytes follow the pickle")
    except InputError as error:
        yield Reason(UNREAD, piece.where, str(error))
        yield from pickles.names_in(piece, header.start)
    yield from inspector.reasons.values()
    yield from inspector.inner
