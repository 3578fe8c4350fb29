"""Tables in ``.jsonl``, packed or not: one JSON object a line."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from bezoar.core.data import Dataset, Unread
from bezoar.core.errors import InputError
from bezoar.data.assembly import nothing_read
from bezoar.data.columns import Columns, to_dataset
from bezoar.data.intake import read_bytes, shown
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means


def read(path: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Read one row a line. Keys that a row lacks are missing cells; lines that are no object are ``unread``.

    Raises
    ------
    InputError
        No line can be read, too many columns, or no label column.
    """
    rows: list[dict[str, Any]] = []
    ids: list[str] = []
    unread: list[Unread] = []
    for number, line in enumerate(read_bytes(path, limits, means, times=3).removeprefix(b"\xef\xbb\xbf").split(b"\n")):
        if not line.strip():
            continue
        try:
            rows.append(_object(line, limits))
            ids.append(str(number))
        except (ValueError, TypeError, RecursionError) as error:
            unread.append(Unread(f"{path.name}: line {number + 1}", f"{shown(error, 120)}; row left out"))
    titles = list(dict.fromkeys(title for row in rows for title in row))
    if len(titles) > limits.columns:
        raise InputError(f"{shown(path)}: {len(titles):,} columns are over the limit of {limits.columns:,}.")
    if not rows:
        raise nothing_read(path.name, unread)
    table = pa.table({title: _column([row.get(title) for row in rows]) for title in titles})
    return to_dataset(Columns(table=table, name=path.name, ids=ids, unread=tuple(unread)), roles, limits, means)


def _object(line: bytes, limits: Limits) -> dict[str, Any]:
    if len(line) > limits.row_bytes:
        raise ValueError(f"{len(line):,} bytes are over the limit of {limits.row_bytes:,}")
    row = json.loads(line)
    if not isinstance(row, dict):
        raise TypeError("not a JSON object")
    # Escapes such as \ud800 make text that no encoding can hold.
    if b"\\u" in line:
        json.dumps(row, ensure_ascii=False).encode()
    return row


def _column(values: list[Any]) -> pa.Array:
    """Cells of one type; text where they are of several or too large."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else _plain(value) for value in values], pa.string())


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
