"""From columns, whatever file they came from, to a Dataset: roles, labels, and rows that cannot be used."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Hashed, Inputs, Unread, take_inputs
from bezoar.core.errors import InputError
from bezoar.data.classes import encode
from bezoar.data.intake import shown
from bezoar.data.options import Limits
from bezoar.data.spool import Coming, Means


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draft:
    """Rows as a reader hands them over, those it could not read already left out.

    Parameters
    ----------
    name : what to call the set.
    inputs : images, table or text of n rows.
    labels : (n,) Arrow array of any label type.
    ids : (n,) names of the rows; positions in the file where it names none.
    source : (n,) suppliers or None.
    known : class names in order where the set declares them.
    faults : by row why it cannot be used, beside missing labels.
    unread, notes : as in a Dataset.
    hashes : of the inputs where they are known.
    """

    name: str
    inputs: Inputs
    labels: pa.Array
    ids: Sequence[str]
    source: Sequence[str] | None = None
    known: tuple[str, ...] = ()
    faults: Mapping[int, str] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    notes: tuple[str, ...] = ()
    hashes: Sequence[bytes] | None = None


def announce(
    name: str, labels: pa.Array, known: tuple[str, ...], shape: tuple[int, ...], limits: Limits, means: Means
) -> None:
    """Ask whether images of this shape (n, c, h, w) may come, which carry these labels.

    Raises
    ------
    InputError
        Labels that cannot be used.
    """
    if means.admit is None:
        return
    encoded = encode(labels, known, name, limits)
    sizes = np.bincount(encoded.labels[encoded.labels >= 0], minlength=1)
    means.admit(
        Coming(
            name=name,
            rows=int(sizes.sum()),
            shape=shape,
            classes=len(encoded.classes),
            largest=int(sizes.max()),
        )
    )


def finish(draft: Draft, limits: Limits, means: Means = Means()) -> Dataset:  # noqa: B008
    """The set of all usable rows. Rows without a usable label or input are listed in ``unread``.

    Raises
    ------
    InputError
        No row is left, lengths that differ, labels of a wrong type, duplicate or over-long ids.
    """
    n = len(draft.inputs)
    if len(draft.labels) != n:
        raise InputError(f"{draft.name}: {n:,} inputs but {len(draft.labels):,} labels.")
    encoded = encode(draft.labels, draft.known, draft.name, limits)
    faults = {**{row: f"{why}; row left out" for row, why in encoded.faults.items()}, **draft.faults}
    unread = (
        *draft.unread,
        *(Unread(f"{draft.name}: row {shown(draft.ids[row])}", faults[row]) for row in sorted(faults)),
    )
    keep = np.ones(n, dtype=bool)
    keep[list(faults)] = False
    rows = np.flatnonzero(keep)
    if not len(rows):
        raise nothing_read(draft.name, unread)
    inputs, hashes = draft.inputs, draft.hashes
    if len(rows) < n:
        inputs = means.taken(inputs, rows) if isinstance(inputs, np.ndarray) else take_inputs(inputs, rows)
        hashes = None if hashes is None else [hashes[row] for row in rows.tolist()]
    return Dataset(
        inputs=inputs,
        hashed=None if hashes is None else Hashed(inputs, list(hashes)),
        labels=encoded.labels[rows],
        classes=encoded.classes,
        ids=_names(draft.ids, rows, f"{draft.name}: id", limits),
        source=None if draft.source is None else _names(draft.source, rows, f"{draft.name}: source", limits),
        name=draft.name,
        unread=unread,
        notes=draft.notes,
    )


def nothing_read(name: str, unread: Sequence[Unread]) -> InputError:
    """The error of a set without a single usable row, with the first reasons."""
    reasons = "; ".join(f"{item.where}: {item.why}" for item in unread[:3]) or "It is empty"
    return InputError(f"{name}: no row could be read. {reasons}.")


def _names(values: Sequence[str], rows: NDArray[np.intp], what: str, limits: Limits) -> NDArray[np.str_]:
    """Names as an array. Its width is that of the longest one, so a single huge one must not come through."""
    names = list(values) if len(rows) == len(values) else [values[row] for row in rows.tolist()]
    # One look at the longest, and one at all of them together, tells whether any must be looked for.
    if max(map(len, names)) > limits.name_length or "\x00" in "".join(names):
        for row, name in zip(rows, names, strict=True):
            if len(name) > limits.name_length:
                raise InputError(
                    f"{what} of row {row} has {len(name):,} characters, over the limit of {limits.name_length}."
                )
            if "\x00" in name:
                raise InputError(f"{what} of row {row} holds a NUL character.")
    return np.array(names, dtype=np.str_)


def positions(n: int, prefix: str = "") -> list[str]:
    """Ids of rows that have none: their positions, after the split's name where there are several."""
    return [f"{prefix}{row}" for row in range(n)] if prefix else list(map(str, range(n)))


def parse_json(text: bytes | str, where: str) -> Any:
    """JSON from a hostile file.

    Raises
    ------
    InputError
        It is damaged or nests too deep.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: damaged JSON: {shown(error, 120)}.") from error


def as_text(column: pa.Array) -> list[str]:
    """Any column of plain values as text; missing ones are empty."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts: list[str] = pc.fill_null(column, "").to_pylist()
        return texts
    return ["" if v is None else _number_or_text(v) for v in column.to_pylist()]


def _number_or_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
