"""Tables, texts and pictures in ``.parquet``."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data.columns import Columns, to_dataset
from bezoar.data.intake import open_file, shown
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means

_BATCH = 65_536
"""Rows at a time. Every batch carries the dictionaries anew, so small ones would cost more than they save."""


def read(path: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Read a parquet file batch by batch, so that no more than the limit is ever unpacked.

    Raises
    ------
    InputError
        Damaged, over a limit, or without a label column.
    """
    try:
        with open_file(path, limits.file_bytes) as stream:
            table = _table(stream, path, limits)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise InputError(f"{shown(path)}: damaged parquet: {shown(error, 160)}.") from error
    name = path.name if path.name != "data.parquet" else path.resolve().parent.name
    return to_dataset(Columns(table=table, name=name), roles, limits, means)


def _table(stream: pa.NativeFile, path: Path, limits: Limits) -> pa.Table:
    metadata = pq.read_metadata(stream)
    _check(metadata, path, limits)
    # A dictionary names a value once and repeats it at the cost of a bit: text stays in dictionaries until
    # it is known how much it comes to.
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    batches: list[pa.RecordBatch] = []
    left = limits.total_bytes
    with pq.ParquetFile(stream, metadata=metadata, read_dictionary=texts) as parquet:
        schema = parquet.schema_arrow
        for batch in parquet.iter_batches(_BATCH):
            left -= sum(_size(column) for column in batch.columns)
            if left < 0:
                raise InputError(f"{shown(path)}: unpacks to more than the limit of {limits.total_bytes:,} bytes.")
            batches.append(pa.record_batch([_plain(column) for column in batch.columns], names=batch.schema.names))
    table = pa.Table.from_batches(batches) if batches else schema.empty_table()
    return table.replace_schema_metadata(schema.metadata)


def _check(metadata: pq.FileMetaData, path: Path, limits: Limits) -> None:
    """Refuse by the file's own figures. They may lie, so what comes out is counted as well."""
    if metadata.num_rows > limits.rows:
        raise InputError(f"{shown(path)}: {metadata.num_rows:,} rows are over the limit of {limits.rows:,}.")
    if metadata.num_columns > limits.columns:
        raise InputError(f"{shown(path)}: {metadata.num_columns:,} columns are over the limit of {limits.columns:,}.")
    declared = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if declared > limits.total_bytes:
        raise InputError(f"{shown(path)}: declares {declared:,} bytes, over the limit of {limits.total_bytes:,}.")


def _size(column: pa.Array) -> int:
    """Bytes of a column once its dictionaries are gone."""
    if pa.types.is_struct(column.type):
        return sum(_size(child) for child in column.flatten())
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    counts = pc.value_counts(column.indices)
    values, times = counts.field("values"), counts.field("counts")
    lengths = pc.binary_length(column.dictionary.take(values))
    return (pc.sum(pc.multiply(lengths.cast(pa.int64()), times)).as_py() or 0) + int(column.indices.nbytes)


def _plain(column: pa.Array) -> pa.Array:
    """A column without dictionaries, also inside pictures with their paths."""
    if pa.types.is_struct(column.type):
        names = [column.type.field(i).name for i in range(column.type.num_fields)]
        return pa.StructArray.from_arrays([_plain(child) for child in column.flatten()], names)
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
