"""Labels of any type as class indices with names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bezoar.core.errors import InputError
from bezoar.data.intake import shown
from bezoar.data.options import Limits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoded:
    """Labels as indices into class names. `faults` says of a row why its label cannot be used (index -1)."""

    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    faults: dict[int, str]


def natural_key(name: str) -> tuple[object, ...]:
    """Sorts "2" before "10", and whole numbers, negative ones too, by value before any text."""
    if re.fullmatch(r"-?[0-9]{1,300}", name):
        return (0, int(name), name)
    parts = re.split(r"([0-9]{1,300})", name)
    return (1, tuple((0, int(part), "") if re.fullmatch("[0-9]+", part) else (1, 0, part) for part in parts), name)


def natural_sort(names: Iterable[str]) -> tuple[str, ...]:
    """Names in natural order."""
    return tuple(sorted(names, key=natural_key))


def encode(column: pa.Array, known: tuple[str, ...], where: str, limits: Limits) -> Encoded:
    """Labels from an Arrow array of whole numbers, text, truth values or whole floats.

    Parameters
    ----------
    column : (n,) the labels.
    known : class names in order where the set declares them, else empty. Whole numbers are then
        indices into them.
    where : what to call the column in an error.
    limits : bounds on the number and length of names.

    Raises
    ------
    InputError
        Labels of another type, fractions, or more classes than the limit.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _is_label(column.type):
        raise InputError(
            f"{where}: labels must be whole numbers, text or truth values. Got {shown(column.type)}. "
            "Name another column with --label."
        )
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
    encoded = pc.dictionary_encode(column)
    values = encoded.dictionary.to_pylist()
    if len(values) > limits.classes:
        raise InputError(
            f"{where}: {len(values):,} different labels are over the limit of {limits.classes:,} classes. "
            "Name another column with --label."
        )
    indexed = () if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else known
    declared = frozenset(known)
    names: list[str | None] = []
    why: list[str] = []
    for value in values:
        name, fault = _name(value, indexed, declared, limits, where)
        names.append(name)
        why.append(fault)
    classes = known or natural_sort({name for name in names if name is not None})
    index = {name: position for position, name in enumerate(classes)}
    table = np.array([-1 if name is None else index[name] for name in names] + [-1], dtype=np.int64)
    codes = np.asarray(encoded.indices.fill_null(len(values)), dtype=np.int64)
    labels = table[codes]
    why.append("no label")
    return Encoded(
        labels=labels, classes=classes, faults={int(row): why[codes[row]] for row in np.flatnonzero(labels < 0)}
    )


def _is_label(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_null(kind)
    )


def _name(
    value: object, indexed: tuple[str, ...], declared: frozenset[str], limits: Limits, where: str
) -> tuple[str | None, str]:
    """The class name of one label value, or None and why it has none."""
    if isinstance(value, float):
        if not np.isfinite(value):
            return None, "no label"
        if value != int(value):
            raise InputError(
                f"{where}: labels are fractions, such as {value:g}; classes are needed. Name another with --label."
            )
        value = int(value)
    if indexed and isinstance(value, int):
        if 0 <= value < len(indexed):
            return indexed[value], ""
        return None, f"label {value} is out of range: the set declares classes 0 to {len(indexed) - 1}"
    name = str(value)
    if not name.strip() or value is None:
        return None, "no label"
    if len(name) > limits.name_length:
        return None, f"label of {len(name):,} characters is over the limit of {limits.name_length:,}"
    if declared and name not in declared:
        return None, f"label {shown(name)} is none of the declared classes"
    return name, ""
