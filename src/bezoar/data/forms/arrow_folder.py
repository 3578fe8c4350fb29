"""Folders that Hugging Face ``datasets`` saves: Arrow files beside ``state.json``, or one such folder per split."""

import mmap
from pathlib import Path
from typing import Any

import pyarrow as pa

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data.assembly import parse_json, positions
from bezoar.data.columns import Columns, to_dataset, validated
from bezoar.data.intake import open_file, require_inside, shown
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
_JSON_BYTES = 64 * 2**20


def read(folder: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Read all splits one after another unless one is asked for. Files are mapped, not loaded.

    Rows of several splits have ids such as ``train/17``. Names of a ``ClassLabel`` become the classes.

    Raises
    ------
    InputError
        Damaged, over a limit, without a label column, no such split.
    """
    if not (folder / SPLITS).exists():
        # A folder of one split is named for it only by its own metadata, which need not be there.
        return _dataset(folder, {"": folder}, roles, limits, means)
    require_inside(folder / SPLITS, folder)
    listed = _json(folder / SPLITS)
    names = listed.get("splits") if isinstance(listed, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and name == Path(name).name for name in names):
        raise InputError(f"{shown(folder / SPLITS)}: lists no splits.")
    if roles.split is not None and roles.split not in names:
        raise InputError(f"{folder.name}: no split {shown(roles.split)}. There are: {', '.join(map(shown, names))}.")
    chosen = {name: folder / name for name in names if roles.split in (None, name)}
    plain = Roles(
        label=roles.label,
        input=roles.input,
        source=roles.source,
        id=roles.id,
        modality=roles.modality,
        drop=roles.drop,
    )
    return _dataset(folder, chosen, plain, limits, means)


def _dataset(folder: Path, splits: dict[str, Path], roles: Roles, limits: Limits, means: Means) -> Dataset:
    tables: list[pa.Table] = []
    ids: list[str] = []
    files: list[mmap.mmap] = []
    for split, place in splits.items():
        require_inside(place, folder)
        table = _table(place, limits, files)
        tables.append(table)
        ids += positions(len(table), f"{split}/" if split else "")
    try:
        table = pa.concat_tables(tables)
    except pa.ArrowException as error:
        raise InputError(f"{folder.name}: its parts differ in their columns.") from error
    columns = Columns(table=table, name=folder.resolve().name, ids=ids, files=files)
    return to_dataset(columns, roles, limits, means)


def _table(folder: Path, limits: Limits, files: list[mmap.mmap]) -> pa.Table:
    """The rows of a folder. The files in which they lie are mapped, and added to `files`."""
    paths = sorted(folder.glob("*.arrow"))
    if not paths:
        raise InputError(f"{shown(folder)}: holds no .arrow files.")
    batches: list[pa.RecordBatch] = []
    total = 0
    schema: pa.Schema | None = None
    for path in paths:
        require_inside(path, folder)
        try:
            with open_file(path, limits.file_bytes) as stream:
                files.append(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
            with _reader(pa.py_buffer(files[-1])) as reader:
                schema = schema or reader.schema
                for batch in reader:
                    total += batch.nbytes
                    if total > limits.total_bytes:
                        raise InputError(f"{shown(path)}: unpacks to over the limit of {limits.total_bytes:,} bytes.")
                    batches.append(batch)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise InputError(f"{shown(path)}: damaged Arrow file: {shown(error, 160)}.") from error
    try:
        table = pa.Table.from_batches(batches, schema)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{shown(folder)}: its files differ in their columns.") from error
    return validated(_with_features(table, folder), folder.name)


def _reader(mapped: pa.Buffer) -> Any:
    """The stream format that `datasets` writes."""
    return pa.ipc.open_stream(mapped)


def _with_features(table: pa.Table, folder: Path) -> pa.Table:
    """The features that ``dataset_info.json`` declares, as parquet and Arrow files carry them themselves."""
    if b"huggingface" in (table.schema.metadata or {}) or not (folder / INFO).exists():
        return table
    require_inside(folder / INFO, folder)
    with open_file(folder / INFO, _JSON_BYTES) as stream:
        info = b'{"info": ' + stream.read() + b"}"
    return table.replace_schema_metadata({**(table.schema.metadata or {}), b"huggingface": info})


def _json(path: Path) -> Any:
    with open_file(path, _JSON_BYTES) as stream:
        return parse_json(stream.read(), shown(path))
