"""Tables in ``.csv``, packed or not."""

import codecs
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from bezoar.core.data import Dataset, Unread
from bezoar.core.errors import InputError
from bezoar.data.columns import Columns, to_dataset
from bezoar.data.intake import read_bytes, shown
from bezoar.data.options import Limits, Roles

MISSING = ("", " ", "?", "NA", "N/A", "NaN", "nan", "null", "NULL")
_ONE_BLOCK = 2**31 - 2


def read(path: Path, roles: Roles, limits: Limits) -> Dataset:
    """Read a comma-separated table whose first line names the columns.

    Empty cells, ``?`` and ``NA`` are missing. Rows with another number of cells than the first line,
    or with text that is not UTF-8, are listed in ``unread``.

    Raises
    ------
    InputError
        Damaged, not text, without a header, or without a label column.
    """
    raw = read_bytes(path, limits)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{shown(path)}: is UTF-16. Save it as UTF-8.")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if not raw.strip():
        raise InputError(f"{shown(path)}: is empty.")
    if b"\x00" in raw:
        raise InputError(f"{shown(path)}: holds NUL bytes (first at byte {raw.index(0):,}): not a text file.")
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
                check_utf8=False, null_values=list(MISSING), strings_can_be_null=True, quoted_strings_can_be_null=True
            ),
        )
        names = table.column_names
    except (pa.ArrowException, ValueError, OSError) as error:
        raise InputError(f"{shown(path)}: not a table: {shown(str(error), 160)}.") from error
    # Row numbers count the header line as 1, so the first row of data is 2.
    skipped = np.array([row.number - 2 for row in ragged], dtype=np.int64)
    numbers = np.setdiff1d(np.arange(len(table) + len(skipped)), skipped)
    unread = tuple(
        Unread(
            f"{path.name}: row {row.number - 2}",
            f"{row.actual_columns} cells where the header has {row.expected_columns}; row left out",
        )
        for row in ragged
    )
    if all(not name for name in names):
        raise InputError(f"{shown(path)}: the first line names no columns.")
    return to_dataset(
        Columns(table=table, name=path.name, ids=[str(number) for number in numbers], unread=unread), roles, limits
    )
