"""Tables, texts and pictures in ``.parquet``."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data.columns import Columns, beside, encoded_bytes, pictured, to_dataset, validated
from bezoar.data.intake import open_file, shown
from bezoar.data.options import Limits, Roles
from bezoar.data.pages import Pages, walk
from bezoar.data.pictures import InColumn
from bezoar.data.spool import Means

_BATCH = 65_536
"""Rows at a time. Every batch carries the dictionaries anew, so small ones would cost more than they save."""
_PICTURES = 8 * 2**20
"""Bytes of encoded pictures that are read at a time, as far as the pages foretell it."""
_REPEATED = 64 * 2**20
"""Bytes of encoded pictures that are read at a time where each were the longest that the dictionaries can hold."""
_BUFFER = 2**20
_PAGE = 2
"""How often the largest page, packed and unpacked, lies in memory while it is read, at the least."""


def read(path: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Read a parquet file batch by batch, so that no more than the limit is ever unpacked.

    Encoded pictures stay in the file until they are decoded, and then are read a few at a time.

    Raises
    ------
    InputError
        Damaged, over a limit, or without a label column.
    """
    with open_file(path, limits.file_bytes) as stream:
        with _undamaged(path):
            columns = _columns(stream, path, roles, limits, means)
        return to_dataset(columns, roles, limits, means)


@contextlib.contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """What Arrow says of a damaged file, as one line."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise InputError(f"{shown(path)}: damaged parquet: {shown(error, 160)}.") from error


def _columns(stream: BufferedReader, path: Path, roles: Roles, limits: Limits, means: Means) -> Columns:
    metadata = pq.read_metadata(stream)
    _check(metadata, path, limits)
    name = path.name if path.name != "data.parquet" else path.resolve().parent.name
    # A dictionary names a value once and repeats it at the cost of a bit: text stays in dictionaries until
    # it is known how much it comes to.
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    batches: list[pa.RecordBatch] = []
    left = limits.total_bytes
    with _opened(stream, metadata, texts) as parquet:
        schema = pa.schema([_plain_field(field) for field in parquet.schema_arrow], parquet.schema_arrow.metadata)
        apart = _apart(schema, metadata.schema.to_arrow_schema(), roles, name)
        read = None if apart is None else [title for title in schema.names if title != apart]
        own = [i for i, leaf in enumerate(leaves) if leaf.path.split(".")[0] == apart]
        means.hold(name, _declared(metadata, [i for i in range(len(leaves)) if i not in own]), rows=metadata.num_rows)
        for batch in parquet.iter_batches(_BATCH, columns=read):
            left -= sum(_size(column) for column in batch.columns)
            if left < 0:
                raise _too_large(path, limits)
            batches.append(pa.record_batch([_plain(column) for column in batch.columns], names=batch.schema.names))
    table = pa.Table.from_batches(batches) if batches else schema.empty_table()
    encoded = None
    if apart is not None and batches:
        table = beside(table, schema.field(apart), schema.names.index(apart))
        pages = walk(stream, metadata, own)
        means.hold(name, _PAGE * pages.largest)
        encoded = _InParquet(
            stream=stream,
            metadata=metadata,
            path=path,
            column=apart,
            rows=len(table),
            batch=_batch(pages, len(table)),
            left=left,
            limits=limits,
        )
    return Columns(table=table.replace_schema_metadata(schema.metadata), name=name, pictures=encoded)


def _opened(stream: BufferedReader, metadata: pq.FileMetaData, dictionaries: list[str]) -> pq.ParquetFile:
    """Read page by page: else whole columns of a row group are loaded before the first batch comes."""
    return pq.ParquetFile(
        stream, metadata=metadata, read_dictionary=dictionaries, pre_buffer=False, buffer_size=_BUFFER
    )


def _apart(schema: pa.Schema, stored: pa.Schema, roles: Roles, name: str) -> str | None:
    """The column of pictures that can stay in the file.

    None for one that comes as a dictionary whatever is asked for, and where a name stands for parts of two columns.
    """
    if len(set(schema.names)) < len(schema.names):
        return None
    column = pictured(stored, roles, name)
    if column is None or column != pictured(schema, roles, name) or "." in column:
        return None
    return None if any(title.startswith(f"{column}.") for title in schema.names) else column


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _InParquet:
    """Pictures in a column of an open parquet file.

    Parameters
    ----------
    stream, metadata, path : the file.
    column : its name.
    rows : how many the other columns have.
    batch : rows that are read at a time.
    left : bytes that the pictures may come to.
    limits : bounds on single pictures, and on all for the message.
    """

    stream: BufferedReader
    metadata: pq.FileMetaData
    path: Path
    column: str
    rows: int
    batch: int
    left: int
    limits: Limits

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[bytes | str]:
        rows, left = self.rows, self.left
        # Not as dictionaries: Arrow would keep every value of a row group until its end.
        with _undamaged(self.path), _opened(self.stream, self.metadata, []) as parquet:
            for batch in parquet.iter_batches(self.batch, columns=[self.column], use_threads=False):
                column = validated(pa.table(batch), self.path.name).column(0)
                rows, left = rows - len(column), left - _size(column)
                if left < 0:
                    raise _too_large(self.path, self.limits)
                if rows < 0:
                    break
                yield from InColumn(encoded_bytes(column), self.limits)
            if rows:
                raise ValueError("its columns differ in length")


def _batch(pages: Pages, rows: int) -> int:
    """How many pictures to read at a time. A page may name a long one again and again, at no cost in the file."""
    mean, longest = max(1, pages.total // rows), max(1, pages.dictionary)
    return max(1, min(_PICTURES // mean, _REPEATED // longest, _BATCH))


def _check(metadata: pq.FileMetaData, path: Path, limits: Limits) -> None:
    """Refuse by the file's own figures. They may lie, so what comes out is counted as well."""
    if metadata.num_rows > limits.rows:
        raise InputError(f"{shown(path)}: {metadata.num_rows:,} rows are over the limit of {limits.rows:,}.")
    if metadata.num_columns > limits.columns:
        raise InputError(f"{shown(path)}: {metadata.num_columns:,} columns are over the limit of {limits.columns:,}.")
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    declared = sum(group.total_byte_size for group in groups)
    if declared > limits.total_bytes:
        raise InputError(f"{shown(path)}: declares {declared:,} bytes, over the limit of {limits.total_bytes:,}.")
    flat = [i for i in range(metadata.num_columns) if not metadata.schema.column(i).max_repetition_level]
    if metadata.num_rows != sum(group.num_rows for group in groups) or any(
        group.column(i).num_values != group.num_rows for group in groups for i in flat
    ):
        # One reader would take more rows than another: what is audited need not be what is trained on.
        raise InputError(f"{shown(path)}: damaged parquet: its figures of rows contradict each other.")


def _declared(metadata: pq.FileMetaData, leaves: list[int]) -> int:
    """Bytes that some columns take once unpacked, as the file has it."""
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    return sum(group.column(leaf).total_uncompressed_size for group in groups for leaf in leaves)


def _too_large(path: Path, limits: Limits) -> InputError:
    return InputError(f"{shown(path)}: unpacks to more than the limit of {limits.total_bytes:,} bytes.")


def _size(column: pa.Array | pa.ChunkedArray) -> int:
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


def _plain_field(field: pa.Field) -> pa.Field:
    """A field of such a column."""
    kind = field.type
    if pa.types.is_struct(kind):
        return pa.field(field.name, pa.struct([_plain_field(kind.field(i)) for i in range(kind.num_fields)]))
    return pa.field(field.name, kind.value_type if pa.types.is_dictionary(kind) else kind)
