"""Tables in ``.csv``, packed or not."""

import codecs
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from bezoar.core.data import Dataset, Unread
from bezoar.core.errors import InputError
from bezoar.data.columns import Columns, to_dataset
from bezoar.data.intake import read_bytes, shown
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means

MISSING = ("", " ", "?", "NA", "N/A", "NaN", "nan", "null", "NULL")
_ONE_BLOCK = 2**31 - 2


def read(path: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Read a comma-separated table whose first line names the columns.

    Empty cells, ``?`` and ``NA`` are missing. Rows with another number of cells than the first line,
    or with text that is not UTF-8, are listed in ``unread``.

    Raises
    ------
    InputError
        Damaged, not text, without a header, or without a label column.
    """
    raw = read_bytes(path, limits, means, times=2)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{shown(path)}: is UTF-16. Save it as UTF-8.")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if not raw or raw.isspace():
        raise InputError(f"{shown(path)}: is empty.")
    if b"\x00" in raw:
        raise InputError(f"{shown(path)}: holds NUL bytes (first at byte {raw.index(0):,}): not a text file.")
    raw, marker = _as_utf8(raw, path)
    if len(raw) > _ONE_BLOCK:
        raise InputError(f"{shown(path)}: tables over 2 GB must come as parquet.")
    ragged: list[csv.InvalidRow] = []

    def note(row: csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    try:
        table = csv.read_csv(
            pa.BufferReader(raw),
            # One block: types are inferred from all rows, not from the first ones.
            read_options=csv.ReadOptions(use_threads=False, block_size=len(raw) + 1),
            parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=csv.ConvertOptions(
                null_values=list(MISSING), strings_can_be_null=True, quoted_strings_can_be_null=True
            ),
        )
        names = table.column_names
    except (pa.ArrowException, ValueError, OSError) as error:
        raise InputError(f"{shown(path)}: not a table: {shown(str(error), 160)}.") from error
    garbled = _rows_with(marker, table) if marker else np.zeros(0, dtype=np.int64)
    # Row numbers count the header line as 1, so the first row of data is 2.
    skipped = np.array([row.number - 2 for row in ragged], dtype=np.int64)
    numbers = np.setdiff1d(np.arange(len(table) + len(skipped)), skipped)
    unread = [
        Unread(
            f"{path.name}: row {row.number - 2}",
            f"{row.actual_columns} cells where the header has {row.expected_columns}; row left out",
        )
        for row in ragged
    ]
    unread += [Unread(f"{path.name}: row {numbers[row]}", "text is not UTF-8; row left out") for row in garbled]
    keep = np.setdiff1d(np.arange(len(table)), garbled)
    if all(not name for name in names):
        raise InputError(f"{shown(path)}: the first line names no columns.")
    ids = [str(number) for number in numbers[keep]]
    table = table.take(pa.array(keep)) if len(garbled) else table
    return to_dataset(Columns(table=table, name=path.name, ids=ids, unread=tuple(unread)), roles, limits, means)


def _as_utf8(raw: bytes, path: Path) -> tuple[bytes, str]:
    """The text with bytes that are not UTF-8 replaced by a character that occurs nowhere else, and that character."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "surrogateescape")
    else:
        return raw, ""
    # Of the 6,400 private characters one is free unless the file is made to use them all.
    marker = next((c for c in map(chr, range(0xE000, 0xF900)) if c not in text), None)
    if marker is None or re.search("[\udc80-\udcff]", text.split("\n", 1)[0]):
        raise InputError(f"{shown(path)}: is not UTF-8. Save it as UTF-8.")
    return re.sub("[\udc80-\udcff]", marker, text).encode(), marker


def _rows_with(marker: str, table: pa.Table) -> NDArray[np.int64]:
    """Rows with `marker` in any cell."""
    found = np.zeros(len(table), dtype=bool)
    for column in table.columns:
        if pa.types.is_string(column.type):
            found |= pc.match_substring(column, marker).fill_null(False).to_numpy()
    return np.flatnonzero(found)
