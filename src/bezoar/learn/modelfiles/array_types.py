"""numpy's element types as pickles describe them: made for real from parts that were checked, never from their state.

numpy believes the state of a type. One that says of plain bytes that they are objects makes it take numbers for
addresses, and one that lies about its size makes it read beyond its arrays.
"""

import warnings
from math import prod
from typing import Any

import numpy as np

from bezoar.learn.modelfiles.pickle_machine import Broken
from bezoar.learn.modelfiles.pickle_values import Global, Made, Pairs, Span, Value, preview

_DEEPEST = 16
_ALIGNED = 128
"""NPY_ALIGNED_STRUCT: the one flag of a record that its parts do not decide."""


def is_type(value: Value) -> bool:
    """Whether a value stands for an element type."""
    return isinstance(value, Made) and value.path == "numpy.dtype"


def shape_of(value: Value, *, most: int = 2**48) -> tuple[int, ...] | None:
    """A shape of at most `most` numbers in all, None where it is none."""
    fits = isinstance(value, tuple) and len(value) <= 64 and all(type(n) is int and n >= 0 for n in value)
    return value if fits and prod(value) <= most else None


def real(dtype: Value, depth: int = 0) -> "np.dtype[Any]":
    """The type that numpy writes in this way.

    Raises
    ------
    Broken
        numpy would not write it.
    """
    if not isinstance(dtype, Made) or not is_type(dtype) or depth > _DEEPEST:
        raise Broken(f"has elements of the type {preview(dtype)}")
    dtype.used = True
    plain, state = _plain(dtype), dtype.state
    if state is None:
        return plain
    if not isinstance(state, tuple) or len(state) not in (8, 9) or state[1] not in ("<", ">", "|", "="):
        raise Broken("has a type with a state that numpy does not write")
    _, order, inner, names, fields = state[:5]
    built = plain
    if names is not None:
        built = _record(names, fields, state[5], depth)
    elif inner is not None:
        built = _array(inner, depth)
    wanted: Any = built.__reduce__()[2]
    sizes = state[5:8]
    if not all(type(number) is int for number in sizes):
        raise Broken("has a type with a size that is no number")
    fits = sizes == wanted[5:8]
    if names is not None:
        fits = sizes[0] == wanted[5] and 1 <= sizes[1] <= _DEEPEST and sizes[2] & ~_ALIGNED == wanted[7] & ~_ALIGNED
    if not fits or built.itemsize > 2**31:
        raise Broken("has a type whose size or flags are not those of its parts")
    if len(state) == 9:
        built = _dated(built, state[8])
    return built if order in "|=" else built.newbyteorder(order)


def _plain(dtype: Made) -> "np.dtype[Any]":
    name = dtype.args[0] if dtype.args else None
    name = name.name if isinstance(name, Global) and name.module == "numpy" else name
    return _made(name) if isinstance(name, str) else _made(None)


def _made(described: Any) -> "np.dtype[Any]":
    if described is None:
        raise Broken("has elements of a type without a name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: np.dtype[Any] = np.dtype(described)
            return made
    except (TypeError, ValueError, SyntaxError, OverflowError) as error:
        raise Broken("has elements of a type that numpy does not know") from error


def _record(names: Value, fields: Value, size: Value, depth: int) -> "np.dtype[Any]":
    if not isinstance(fields, Pairs) or not isinstance(names, tuple) or len(fields.pairs) != len(names):
        raise Broken("has records whose fields and names differ")
    parts = dict.fromkeys(name for name in names if isinstance(name, str))
    for key, value in fields.pairs:
        if not isinstance(key, str) or key not in parts or not isinstance(value, tuple) or len(value) != 2:
            raise Broken("has records whose fields and names differ")
        parts[key] = value
    if len(parts) != len(names) or not all(parts.values()) or type(size) is not int:
        raise Broken("has records whose fields and names differ")
    formats, offsets = zip(*parts.values(), strict=True) if parts else ((), ())
    if not all(type(offset) is int for offset in offsets):
        raise Broken("has records whose fields lie nowhere")
    built = [real(inner, depth + 1) for inner in formats]
    return _made({"names": list(parts), "formats": built, "offsets": list(offsets), "itemsize": size})


def _array(inner: Value, depth: int) -> "np.dtype[Any]":
    fits = isinstance(inner, tuple) and len(inner) == 2
    shape = shape_of((inner[1],) if fits and type(inner[1]) is int else inner[1], most=2**31) if fits else None
    if shape is None:
        raise Broken("has elements that are arrays without a shape")
    return _made((real(inner[0], depth + 1), shape))


def _dated(built: "np.dtype[Any]", metadata: Value) -> "np.dtype[Any]":
    """A type of dates or times with its unit: ``(dict or None, (unit, count, numerator, denominator))``."""
    fits = (
        isinstance(metadata, tuple) and len(metadata) == 2 and isinstance(metadata[1], tuple) and len(metadata[1]) == 4
    )
    if not fits or built.kind not in "mM" or (isinstance(metadata[0], Pairs) and metadata[0].pairs):
        raise Broken("has a type with a state that numpy does not write")
    unit, *numbers = metadata[1]
    unit = unit.decode("latin-1") if isinstance(unit, bytes) else unit
    if not isinstance(unit, str) or not all(type(number) is int and 0 < number < 2**31 for number in numbers):
        raise Broken("has a type with a unit that is none")
    return built if unit == "generic" else _made(f"{built.kind}8[{numbers[0]}{unit}]")


def holds(dtype: "np.dtype[Any]", shape: tuple[int, ...], content: Value) -> bool:
    """Whether a value is what numpy keeps of an array of this type and shape: all of its bytes, or a list of objects."""
    if dtype.hasobject:
        return isinstance(content, list) and len(content) == prod(shape)
    if isinstance(content, Span):
        return content.length == prod(shape) * dtype.itemsize
    # Byte strings of Python 2 are text by now, a letter for each byte.
    return isinstance(content, bytes | str) and len(content) == prod(shape) * dtype.itemsize
