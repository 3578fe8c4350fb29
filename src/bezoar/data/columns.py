"""Finds which column of a table is what, and makes inputs of the columns that a model learns from."""

import dataclasses
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Modality, Unread
from bezoar.core.errors import InputError
from bezoar.data import images, pictures
from bezoar.data.assembly import Draft, announce, as_text, finish, nothing_read, parse_json, positions
from bezoar.data.intake import shown
from bezoar.data.options import Limits, Roles
from bezoar.data.pictures import Pictures
from bezoar.data.spool import Means

LABELS = ("label", "labels", "y", "target", "targets", "class", "class_label")
SOURCES = ("source", "data_source", "supplier", "contributor", "annotator", "vendor", "provider", "uploader")
IDS = ("id", "row_id", "sample_id", "example_id", "image_id", "uid", "uuid", "file_name", "filename")
IMAGES = ("image", "img", "images", "picture", "pixels", "pixel_values", "x")
TEXTS = ("text", "sentence", "content", "review", "prompt", "document")
SPLIT = "split"
_SHORT_OFFSETS = 2**31 - 1
"""Bytes that one Arrow array of the plain text or binary type can hold."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """A table as its file holds it.

    Parameters
    ----------
    table : all columns.
    name : what to call the set.
    pictures : encoded pictures of the rows, where :func:`pictured` names their column and they were left where they
        lie. Its cells in `table` count for nothing then.
    ids : (n,) names of the rows where no column names them; None for positions.
    files : mapped ones, in which the cells lie.
    unread, notes : as in a Dataset.
    """

    table: pa.Table
    name: str
    pictures: Pictures | None = None
    ids: Sequence[str] | None = None
    files: Sequence[mmap.mmap] = ()
    unread: tuple[Unread, ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assigned:
    """Columns by role."""

    label: str
    inputs: tuple[str, ...]
    source: str | None
    id: str | None
    modality: Modality


def to_dataset(columns: Columns, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Assign roles, drop what is not asked for, and make a Dataset.

    Raises
    ------
    InputError
        No label column, a named column that does not exist, or no usable row.
    """
    table, name = columns.table, columns.name
    _check_schema(table, name, limits)
    ids, rows = columns.ids if columns.ids is not None else positions(len(table)), np.arange(len(table))
    encoded, column = columns.pictures, pictured(table.schema, roles, name)
    if encoded is None and column is not None:
        at = table.column_names.index(column)
        cells = validated(table.select([at]), name).column(0)
        encoded = pictures.InColumn(encoded_bytes(cells), limits, columns.files)
        table = beside(table.remove_column(at), table.schema.field(at), at)
    broken = _invalid_text(table)
    if broken:
        unread = tuple(Unread(f"{name}: row {ids[row]}", "text is not UTF-8; row left out") for row in sorted(broken))
        rows = np.setdiff1d(rows, list(broken))
        table, ids = table.take(pa.array(rows)), [ids[row] for row in rows.tolist()]
        columns = dataclasses.replace(columns, unread=(*columns.unread, *unread))
    table = validated(table, name)
    if not len(table):
        raise nothing_read(name, columns.unread)
    notes = list(columns.notes)
    own = _written_roles(table.schema)
    if own is not None and roles == Roles():
        # Bezoar's own files hold images at the size they shall have.
        roles, limits = own, dataclasses.replace(limits, side=limits.pixels)
    if roles.split is not None:
        chosen = _of_split(table, roles.split, name)
        table, ids, rows = table.take(pa.array(chosen)), [ids[row] for row in chosen.tolist()], rows[chosen]
    assigned = _assign(table.schema, roles, name)
    known = declared_classes(table.schema, assigned.label)
    if assigned.id is not None:
        ids = _own_ids(table, assigned.id, name)
    labels = one_chunk(table.column(assigned.label))
    source = None if assigned.source is None else as_text(one_chunk(table.column(assigned.source)))
    faults: dict[int, str] = {}
    hashes: Sequence[bytes] | None = None
    inputs: Any
    if assigned.modality is Modality.IMAGE:
        if encoded is not None:
            some = encoded if len(rows) == len(encoded) else pictures.Chosen(encoded, rows)
            decoded = pictures.decode(
                some, limits, means, announce=lambda shape: announce(name, labels, known, shape, limits, means)
            )
            inputs, hashes, faults = decoded.images, decoded.hashes, decoded.faults
            notes.extend(decoded.notes)
        else:
            inputs, faults = _nested_images(table.column(assigned.inputs[0]), name, means)
    elif assigned.modality is Modality.TEXT:
        inputs = _short(one_chunk(table.column(assigned.inputs[0])))
        faults = {int(row): "no text; row left out" for row in np.flatnonzero(inputs.is_null())}
    else:
        inputs, more = _features(table.select(assigned.inputs), name, limits)
        notes.extend(more)
    used = {assigned.label, assigned.source, assigned.id, SPLIT, *assigned.inputs, *roles.drop}
    left = [shown(column) for column in table.column_names if column not in used]
    if left:
        notes.append(f"{name}: columns not used: {', '.join(left[:20])}{', ...' if len(left) > 20 else ''}.")
    draft = Draft(
        name=name,
        inputs=inputs,
        labels=labels,
        ids=ids,
        source=source,
        known=known,
        faults=faults,
        unread=columns.unread,
        notes=tuple(notes),
        hashes=hashes,
    )
    return finish(draft, limits, means)


def pictured(schema: pa.Schema, roles: Roles, name: str) -> str | None:
    """The column of encoded pictures, where :func:`to_dataset` takes a set of such columns for one of images.

    None where it does not, or where it refuses the columns.
    """
    try:
        own = _written_roles(schema)
        assigned = _assign(schema, own if own is not None and roles == Roles() else roles, name)
    except InputError:
        return None
    column = assigned.inputs[0]
    return column if assigned.modality is Modality.IMAGE and _is_encoded(schema.field(column).type) else None


def beside(table: pa.Table, field: pa.Field, at: int) -> pa.Table:
    """The table with one more column at a place, in whose cells there is nothing."""
    return table.add_column(at, field, pa.nulls(len(table), field.type))


def declared_classes(schema: pa.Schema, label: str) -> tuple[str, ...]:
    """Class names in order as the schema's metadata declares them: Bezoar's own, Hugging Face's, or a list."""
    metadata: Mapping[bytes, bytes] = schema.metadata or {}
    names: Any = ()
    if b"bezoar.classes" in metadata:
        names = parse_json(metadata[b"bezoar.classes"], "class names in the file's metadata")
    elif b"huggingface" in metadata:
        info = parse_json(metadata[b"huggingface"], "features in the file's metadata")
        names = class_names(info.get("info", {}).get("features") if isinstance(info, dict) else None, label)
    elif b"classes" in metadata and pa.types.is_integer(schema.field(label).type):
        names = metadata[b"classes"].decode("utf-8", "replace").split(",")
    wellformed = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return tuple(names) if wellformed and len(set(names)) == len(names) else ()


def class_names(features: Any, label: str) -> Any:
    """Names of a Hugging Face ``ClassLabel`` among `features`, or nothing."""
    feature = features.get(label) if isinstance(features, dict) else None
    return feature.get("names", ()) if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else ()


def _written_roles(schema: pa.Schema) -> Roles | None:
    """The roles that Bezoar wrote into a file of its own, where they make sense."""
    raw = (schema.metadata or {}).get(b"bezoar.roles")
    said = parse_json(raw, "roles in the file's metadata") if raw is not None else None
    if not isinstance(said, dict) or said.get("modality") not in list(Modality):
        return None
    inputs = said.get("input")
    if not isinstance(inputs, list) or not all(isinstance(title, str) for title in inputs):
        return None
    source = "source" if said.get("source") is True else ""
    return Roles(label="label", id="id", source=source, input=tuple(inputs), modality=Modality(said["modality"]))


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, dictionaries decoded."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.nbytes > _SHORT_OFFSETS and (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        column = column.cast(pa.large_string() if pa.types.is_string(column.type) else pa.large_binary())
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _short(texts: pa.Array) -> pa.Array:
    """Text in the one type that sets use wherever it fits."""
    return texts.cast(pa.string()) if texts.nbytes <= _SHORT_OFFSETS else texts


def _check_schema(table: pa.Table, name: str, limits: Limits) -> None:
    try:
        table.schema.remove_metadata().to_string()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: a column's name is not UTF-8.") from error
    repeated = {shown(column) for column in table.column_names if table.column_names.count(column) > 1}
    if table.num_columns > limits.columns:
        raise InputError(f"{name}: {table.num_columns:,} columns are over the limit of {limits.columns:,}.")
    if repeated:
        raise InputError(f"{name}: more than one column is named {', '.join(sorted(repeated)[:5])}.")
    if len(table) > limits.rows:
        raise InputError(f"{name}: {len(table):,} rows are over the limit of {limits.rows:,}.")


def _assign(schema: pa.Schema, roles: Roles, name: str) -> _Assigned:
    there = schema.names
    named = [roles.label, roles.source or None, roles.id or None, *roles.input, *roles.drop]
    listed = ", ".join(shown(column) for column in there[:50]) + (", ..." if len(there) > 50 else "")
    for column in named:
        if column is not None and column not in there:
            raise InputError(f"no column {shown(column)} in {name}. Columns: {listed}.")
    free = [column for column in there if column not in named]
    label = roles.label or _by_name(free, LABELS)
    if label is None:
        raise InputError(f"no label column in {name}. Columns: {listed}. Name one with --label.")
    source = (_by_name(free, SOURCES) if roles.source is None else roles.source) or None
    row_id = (_by_name(free, IDS) if roles.id is None else roles.id) or None
    left = tuple(column for column in free if column not in (label, source, row_id, SPLIT))
    inputs = roles.input or left
    if not inputs:
        raise InputError(f"no input column in {name}. Columns: {listed}. Name one with --input.")
    modality, chosen = _modality(schema, inputs, roles, name)
    return _Assigned(label=label, inputs=chosen, source=source, id=row_id, modality=modality)


def _by_name(columns: Sequence[str], names: Sequence[str]) -> str | None:
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def _modality(schema: pa.Schema, inputs: tuple[str, ...], roles: Roles, name: str) -> tuple[Modality, tuple[str, ...]]:
    """What the inputs are, and which of them to use."""
    pictures = [column for column in inputs if _holds_pictures(schema.field(column).type, column)]
    texts = [column for column in inputs if _holds_text(schema.field(column).type)]
    wanted = roles.modality or (
        Modality.IMAGE
        if pictures
        else Modality.TEXT
        if (_by_name(texts, TEXTS) if not roles.input else len(inputs) == 1 and texts)
        else Modality.TABLE
    )
    if wanted is Modality.TABLE:
        return wanted, inputs
    fitting = pictures or list(inputs) if wanted is Modality.IMAGE else texts
    best = _by_name(fitting, IMAGES if wanted is Modality.IMAGE else TEXTS) or (fitting[0] if fitting else None)
    if best is None or (len(fitting) > 1 and best.lower() not in (*IMAGES, *TEXTS)):
        listed = ", ".join(shown(column) for column in inputs[:50])
        raise InputError(f"no single {wanted} column in {name}. Columns: {listed}. Name one with --input.")
    return wanted, (best,)


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _holds_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_pictures(kind: pa.DataType, column: str) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    nested = _is_list(kind) and (_is_list(kind.value_type) or column.lower() in IMAGES)
    return bool(_holds_bytes(kind) or nested)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_encoded(kind: pa.DataType) -> bool:
    return _holds_bytes(kind) or (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def encoded_bytes(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The bytes of encoded pictures, which may lie beside their paths."""
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column


def _nested_images(chunks: pa.ChunkedArray, where: str, means: Means) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Images of a column of nested lists, and by row why there is none."""
    column = one_chunk(chunks)
    if not _is_list(column.type):
        raise InputError(f"{where}: images must be encoded bytes or nested lists. Got {shown(column.type)}.")
    array = _nested(column, where)
    return images.from_array(images.squared(array, where) if array.ndim == 2 else array, where, means)


def _nested(column: pa.Array, where: str) -> NDArray[Any]:
    """Lists of lists of one length each as an array, (n, ...)."""
    shape = [len(column)]
    while _is_list(column.type):
        if column.null_count:
            raise InputError(f"{where}: {column.null_count:,} lists are missing.")
        lengths = pc.list_value_length(column).unique().to_pylist()
        if len(lengths) > 1:
            raise InputError(f"{where}: lists differ in length: {', '.join(str(length) for length in lengths[:5])}.")
        shape.append(lengths[0] if lengths else 0)
        column = column.flatten()
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise InputError(f"{where}: lists must hold numbers without gaps. Got {shown(column.type)}.")
    array: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array.reshape(shape)


def _features(table: pa.Table, name: str, limits: Limits) -> tuple[pa.Table, tuple[str, ...]]:
    """Numbers, truth values and text; lists of numbers one column each; the rest left out with a note."""
    columns: dict[str, pa.Array] = {}
    notes: list[str] = []
    infinite = 0
    for title in table.column_names:
        column = one_chunk(table.column(title))
        types, kind = pa.types, column.type
        if _is_list(kind) and len(column) and not column.null_count:
            array = _nested(column, f"{name}: column {shown(title)}")
            flat = array.reshape(len(array), -1)
            if len(columns) + flat.shape[1] > limits.columns:
                raise InputError(f"{name}: column {shown(title)} holds lists of {flat.shape[1]:,} numbers: too many.")
            columns |= {f"{title}_{i}": pa.array(flat[:, i]) for i in range(flat.shape[1])}
            continue
        if types.is_temporal(kind) and not types.is_duration(kind) and not types.is_time(kind):
            column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        elif types.is_decimal(kind) or types.is_float16(kind):
            column = column.cast(pa.float64(), safe=False)
        elif types.is_large_string(kind):
            column = _short(column)
        elif types.is_null(kind) or not (
            types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_string(kind)
        ):
            notes.append(f"{name}: column {shown(title)} left out: {'empty' if types.is_null(kind) else shown(kind)}.")
            continue
        if types.is_floating(column.type):
            finite = pc.is_finite(column)
            infinite += pc.sum(pc.is_inf(column)).as_py() or 0
            column = column if pc.all(finite).as_py() is not False else pc.if_else(finite, column, None)
        columns[title] = column
    if not columns:
        raise InputError(f"{name}: no column of numbers or text to learn from.")
    if infinite:
        notes.append(f"{name}: {infinite:,} infinite cells are read as missing.")
    return pa.table(columns), tuple(notes)


def _own_ids(table: pa.Table, column: str, name: str) -> list[str]:
    values = one_chunk(table.column(column))
    if values.null_count:
        raise InputError(f"{name}: {values.null_count:,} ids are missing in column {shown(column)}.")
    return as_text(values)


def _of_split(table: pa.Table, split: str, name: str) -> NDArray[np.intp]:
    """Rows of a split."""
    if SPLIT not in table.column_names:
        raise InputError(f"{name}: no column {SPLIT} to take {shown(split)} from.")
    values = as_text(one_chunk(table.column(SPLIT)))
    rows = [row for row, value in enumerate(values) if value == split]
    if not rows:
        there = ", ".join(shown(value, 30) for value in sorted(set(values))[:10])
        raise InputError(f"{name}: no split {shown(split)}. There are: {there}.")
    return np.array(rows, dtype=np.intp)


def _invalid_text(table: pa.Table) -> set[int]:
    """Rows with text that is not UTF-8 in a plain text column."""
    broken: set[int] = set()
    for column in table.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            try:
                column.validate(full=True)
            except pa.ArrowInvalid:
                raw = column.cast(pa.large_binary())
                broken.update(
                    row for row, cell in enumerate(raw.to_pylist()) if cell is not None and not _is_utf8(cell)
                )
    return broken


def _is_utf8(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True


def validated(table: pa.Table, name: str) -> pa.Table:
    """The table once every offset and text in it is known to be sound: files can lie about both."""
    try:
        table.validate(full=True)
    except pa.ArrowException as error:
        raise InputError(f"{name}: damaged columns: {shown(str(error).split(chr(10))[0], 200)}.") from error
    return table
