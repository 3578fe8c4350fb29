"""What the columns of a table, or the images of each class, look like: counted by shards, then merged."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Modality
from bezoar.core.report import Evidence, Profile
from bezoar.core.shards import Arrays, Spread
from bezoar.maths.linear import Moments
from bezoar.maths.sketches import Distinct, Quantiles, merged

SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Quantiles that are told."""
MOST = 200
"""Columns or classes that are told of."""
_ROWS, _IMAGE_BYTES = 65_536, 64 * 2**20
"""A shard is at most so many rows, and so many bytes of images."""
_LARGEST = 1e145
"""The squares of larger numbers may add up to more than a double holds."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Cells of some rows by column, a column being the brightness of one class where rows are images; and row hashes."""

    columns: "Sequence[NDArray[np.float64] | list[str | None]]"
    hashes: Sequence[bytes]

    def digest(self) -> str:
        """SHA-256 of the rows' own hashes, and of how they fall into columns."""
        return hashlib.sha256(repr(tuple(map(len, self.columns))).encode() + b"".join(self.hashes)).hexdigest()


def profile(data: Dataset, spread: Spread) -> tuple[Evidence, tuple[Profile, ...]]:
    """How many different inputs there are; and the columns of a table, or the brightness of the images of each class."""
    image = data.modality is Modality.IMAGE
    names = (data.classes if image else tuple(data.table.column_names))[:MOST]
    given = list(spread(profiled_shard, _image_parts(data, len(names)) if image else _table_parts(data, names)))
    number, low, high = Distinct.merged(Distinct.restored(part["rows"]) for part in given).bounds()
    rows = Evidence(
        name="different rows",
        value=min(number, len(data)),
        unit="rows",
        low=low,
        high=min(high, len(data)),
        n=len(data),
    )
    return rows, tuple(_profile(name, str(index), given, image=image) for index, name in enumerate(names))


def profiled_shard(part: _Part) -> Arrays:
    """Counts and sketches of one shard, by the number of the column."""
    arrays: dict[str, NDArray[Any]] = {
        "rows": Distinct.of(int.from_bytes(each[:8], "little", signed=True) for each in part.hashes).stored()
    }
    for name, cells in enumerate(part.columns):
        if isinstance(cells, list):
            known: list[str] = [cell for cell in cells if cell is not None]
            arrays[f"{name}.distinct"] = Distinct.of(set(known)).stored()
        else:
            numbers = cells[np.isfinite(cells)]
            known = numbers.tolist()
            arrays[f"{name}.distinct"] = Distinct.of(np.unique(numbers).tolist()).stored()
            arrays[f"{name}.quantiles"] = Quantiles.of(numbers).stored()
            if len(numbers):
                arrays[f"{name}.moments"] = _moments(numbers)
        arrays[f"{name}.counts"] = np.array([len(cells), len(cells) - len(known)])
    return arrays


def _moments(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count, mean and scatter. A mean and a scatter that no double can hold are not a number, nor are any merged with them."""
    if np.abs(numbers).max() > _LARGEST:
        return np.array([len(numbers), np.nan, np.nan])
    moments = Moments.of(numbers[:, None])
    return np.array([moments.count, moments.mean[0], moments.scatter[0, 0]])


def _profile(name: str, key: str, given: Sequence[Arrays], *, image: bool) -> Profile:
    rows, missing = (int(count) for count in np.sum([part[f"{key}.counts"] for part in given], axis=0))
    distinct, low, high = Distinct.merged(Distinct.restored(part[f"{key}.distinct"]) for part in given).bounds()
    parts = [part[f"{key}.moments"] for part in given if f"{key}.moments" in part]
    quantiles: tuple[float, ...] = ()
    whole: Moments | None = None
    if parts:
        whole = merged(Moments(int(count), np.array([mean]), np.array([[scatter]])) for count, mean, scatter in parts)
        whole = whole if np.isfinite(whole.scatter).all() else None
        sketches = (Quantiles.restored(part[f"{key}.quantiles"]) for part in given)
        quantiles = tuple(Quantiles.merged(sketches).at(SHARES).tolist())
    return Profile(
        name=name,
        kind="brightness" if image else "numbers" if f"{key}.quantiles" in given[0] else "text",
        rows=rows,
        missing=missing,
        distinct=Evidence(
            name="different values", value=min(distinct, rows), unit="values", low=low, high=min(high, rows), n=rows
        ),
        mean=None if whole is None else float(whole.mean[0]),
        std=None if whole is None else float(np.sqrt(whole.scatter[0, 0] / whole.count)),
        quantiles=quantiles,
    )


def _image_parts(data: Dataset, classes: int) -> Iterator[_Part]:
    """Mean brightness of each image, in grey levels, by class."""
    step = max(1, min(_ROWS, _IMAGE_BYTES // max(1, data.images[0].size)))
    for start in range(0, len(data), step):
        rows = slice(start, start + step)
        brightness, labels = data.images[rows].mean(axis=(1, 2, 3), dtype=np.float64), data.labels[rows]
        yield _Part([brightness[labels == label] for label in range(classes)], data.input_hashes[rows])


def _table_parts(data: Dataset, names: Sequence[str]) -> Iterator[_Part]:
    for start in range(0, len(data), _ROWS):
        some = data.table.slice(start, _ROWS)
        yield _Part([_cells(some.column(name)) for name in names], data.input_hashes[start : start + _ROWS])


def _cells(column: pa.ChunkedArray) -> "NDArray[np.float64] | list[str | None]":
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts: list[str | None] = column.to_pylist()
        return texts
    numbers = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(numbers, float("nan")), dtype=np.float64)
