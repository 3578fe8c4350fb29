"""Tables, texts and pictures in ``.parquet``."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data.columns import Columns, to_dataset
from bezoar.data.intake import open_file, shown
from bezoar.data.options import Limits, Roles

_BATCH = 1_024


def read(path: Path, roles: Roles, limits: Limits) -> Dataset:
    """Read a parquet file batch by batch, so that no more than the limit is ever unpacked.

    Raises
    ------
    InputError
        Damaged, over a limit, or without a label column.
    """
    try:
        with open_file(path, limits.file_bytes) as stream, pq.ParquetFile(stream) as parquet:
            _check(parquet, path, limits)
            batches, total = [], 0
            for batch in parquet.iter_batches(_BATCH):
                total += batch.nbytes
                if total > limits.total_bytes:
                    raise InputError(f"{shown(path)}: unpacks to more than the limit of {limits.total_bytes:,} bytes.")
                batches.append(batch)
            table = pa.Table.from_batches(batches, parquet.schema_arrow)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise InputError(f"{shown(path)}: damaged parquet: {shown(str(error), 160)}.") from error
    name = path.name if path.name != "data.parquet" else path.resolve().parent.name
    return to_dataset(Columns(table=table, name=name), roles, limits)


def _check(parquet: pq.ParquetFile, path: Path, limits: Limits) -> None:
    """Refuse by the file's own figures, which may lie but then only downwards."""
    metadata = parquet.metadata
    if metadata.num_rows > limits.rows:
        raise InputError(f"{shown(path)}: {metadata.num_rows:,} rows are over the limit of {limits.rows:,}.")
    if metadata.num_columns > limits.columns:
        raise InputError(f"{shown(path)}: {metadata.num_columns:,} columns are over the limit of {limits.columns:,}.")
    declared = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if declared > limits.total_bytes:
        raise InputError(f"{shown(path)}: declares {declared:,} bytes, over the limit of {limits.total_bytes:,}.")
