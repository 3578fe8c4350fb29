"""Number arrays in ``.npz``: images, flat features or texts with their labels. Pickled members are refused."""

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Inputs, Modality
from bezoar.core.errors import InputError
from bezoar.data import images
from bezoar.data.assembly import Draft, finish, positions
from bezoar.data.columns import LABELS
from bezoar.data.intake import mapped, open_file, reason, shown
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means, release

INPUTS = ("x", "images", "image", "data", "inputs", "features", "X")
SPLITS = ("train", "val", "valid", "validation", "test", "extra")
_CHUNK = 2**20
_DAMAGE = (OSError, EOFError, ValueError, NotImplementedError, RuntimeError, OverflowError, MemoryError, LookupError)
_DAMAGE_BELOW = (zipfile.BadZipFile, zlib.error, struct.error, SyntaxError, TypeError)


@dataclass(frozen=True, slots=True)
class _Pair:
    """An inputs member and its labels member; `split` is empty where the file has no splits."""

    split: str
    inputs: str
    labels: str


def read(path: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Read the arrays under their usual names, all splits one after another unless one is asked for.

    Names such as ``x`` and ``y``, ``images`` and ``labels``, with a split before (``train_images``) or
    after (``x_train``) them. Rows of several splits have ids such as ``train/17``. Arrays that lie
    unpacked in the file are mapped, not loaded; others are unpacked to where images are kept.

    Raises
    ------
    InputError
        Damaged, lying about its sizes, pickled, or without a pair of such names.
    """
    if roles.source or roles.id or roles.drop:
        raise InputError(f"{path.name}: of an npz only inputs, labels and a split can be named.")
    try:
        with open_file(path, limits.file_bytes) as stream, zipfile.ZipFile(stream) as archive:
            members = _members(archive, path, limits)
            pairs = _pairs(list(members), roles, path)
            arrays = [
                (
                    pair.split,
                    _array(archive, members[pair.inputs], stream, path, means),
                    _array(archive, members[pair.labels], stream, path, means),
                )
                for pair in pairs
            ]
    except (*_DAMAGE, *_DAMAGE_BELOW) as error:
        raise InputError(f"{shown(path)}: damaged npz: {reason(error)}.") from error
    return from_splits(path.name, arrays, roles, limits, means)


def from_splits(
    name: str, splits: list[tuple[str, NDArray[Any], NDArray[Any]]], roles: Roles, limits: Limits, means: Means
) -> Dataset:
    """A set of arrays: (split, inputs, labels), one after another. An empty split name gives plain ids.

    Raises
    ------
    InputError
        Shapes that do not fit one another, or that no modality has.
    """
    ids: list[str] = []
    for split, inputs, labels in splits:
        if inputs.ndim == 0 or len(inputs) != labels.shape[0 if labels.ndim else slice(0)]:
            raise InputError(f"{name}: inputs of shape {inputs.shape} but labels of shape {labels.shape}.")
        if inputs.shape[1:] != splits[0][1].shape[1:]:
            raise InputError(f"{name}: splits differ in shape: {splits[0][1].shape[1:]} and {inputs.shape[1:]}.")
        ids += positions(len(inputs), f"{split}/" if split else "")
    only = len(splits) == 1
    values = splits[0][1] if only else _joined([inputs for _, inputs, _ in splits], means)
    inputs, faults = _inputs(values, name, roles, means)
    column = pa.concat_arrays([_labels(labels, name) for _, _, labels in splits]) if not only else None
    draft = Draft(
        name=name,
        inputs=inputs,
        labels=_labels(splits[0][2], name) if column is None else column,
        ids=ids,
        faults=faults,
    )
    return finish(draft, limits, means)


def _joined(parts: list[NDArray[Any]], means: Means) -> NDArray[Any]:
    n, shape = sum(map(len, parts)), parts[0].shape[1:]
    if any(part.dtype != np.uint8 for part in parts):
        return np.concatenate(parts)
    return np.concatenate(parts, out=means.room((n, *shape)))


def _members(archive: zipfile.ZipFile, path: Path, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    found = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if info.filename.endswith(".npy")}
    declared = sum(info.file_size for info in found.values())
    if declared > limits.total_bytes:
        raise InputError(f"{shown(path)}: declares {declared:,} bytes, over the limit of {limits.total_bytes:,}.")
    return found


def _pairs(names: list[str], roles: Roles, path: Path) -> list[_Pair]:
    listed = ", ".join(shown(name) for name in names[:30])
    if roles.label is not None or roles.input:
        label = roles.label or next((name for name in LABELS if name in names), None)
        chosen = roles.input[0] if roles.input else next((name for name in INPUTS if name in names), None)
        for name in (label, chosen):
            if name is not None and name not in names:
                raise InputError(f"no array {shown(name)} in {path.name}. Arrays: {listed}.")
        if label is not None and chosen is not None:
            return [_Pair("", chosen, label)]
    pairs = []
    for split in ("", *SPLITS):
        label = next((name for name in _spelled(split, LABELS) if name in names), None)
        chosen = next((name for name in _spelled(split, INPUTS) if name in names), None)
        if label and chosen:
            pairs.append(_Pair(split, chosen, label))
    if roles.split is not None:
        there = [pair.split for pair in pairs]
        pairs = [pair for pair in pairs if pair.split == roles.split]
        if not pairs:
            raise InputError(f"{path.name}: no split {shown(roles.split)}. There are: {', '.join(there) or 'none'}.")
    if not pairs:
        raise InputError(f"no inputs and labels in {path.name}. Arrays: {listed}. Name them with --input and --label.")
    return [pair for pair in pairs if not pair.split] or pairs


def _spelled(split: str, names: tuple[str, ...]) -> list[str]:
    return [*names] if not split else [s for name in names for s in (f"{split}_{name}", f"{name}_{split}")]


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, stream: BinaryIO, path: Path, means: Means) -> NDArray[Any]:
    """One member, after its header was held against the bytes that are there."""
    where = f"{shown(path)}: array {shown(info.filename)}"
    with archive.open(info) as member:
        version = npy.read_magic(member)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"{where}: unknown version {version}.")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        try:
            shape, fortran, dtype = read_header(member)
        except RecursionError as error:
            raise InputError(f"{where}: damaged header.") from error
        if dtype.hasobject:
            raise InputError(f"{where}: holds pickled objects, which may run code. Not read.")
        if dtype.kind not in "biufUS":
            raise InputError(f"{where}: holds {shown(dtype)}; numbers or text are needed.")
        size = dtype.itemsize
        for length in shape:
            size *= length
        start = member.tell()
        if size != info.file_size - start or min(shape, default=0) < 0:
            raise InputError(f"{where}: declares shape {shape} {dtype} but holds {info.file_size - start:,} bytes.")
        order: Literal["C", "F"] = "F" if fortran else "C"
        if info.compress_type == zipfile.ZIP_STORED and size and not info.flag_bits & 1:
            offset = _stored_at(info, stream, where) + start
            return mapped(stream, dtype, shape, offset=offset, order=order)
        if len(shape) < 3:
            # Cells of a table must lie in memory; images go into a file where they are too many.
            means.hold(path.name, size, rows=len(shape) and shape[0])
        content, at = means.room((size,)), 0
        while at < size and (chunk := member.read(_CHUNK)):
            content[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
            at += len(chunk)
            release(content)
    if at < size:
        raise InputError(f"{where}: ends after {at:,} of {size:,} bytes.")
    flat = content.view(dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _stored_at(info: zipfile.ZipInfo, stream: BinaryIO, where: str) -> int:
    """Where the bytes of an unpacked member begin: after its local header (APPNOTE.TXT 4.3.7)."""
    stream.seek(info.header_offset)
    header = stream.read(30)
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    start: int = info.header_offset + 30 + name_length + extra_length
    if header[:4] != b"PK\x03\x04" or start + info.file_size > stream.seek(0, 2):
        raise InputError(f"{where}: lies outside the file.")
    return start


def _labels(labels: NDArray[Any], name: str) -> pa.Array:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise InputError(f"{name}: labels must be (n,) or (n, 1). Got {labels.shape}.")
    if labels.dtype.kind == "S":
        return pa.array([label.decode("utf-8", "replace") for label in labels.tolist()], pa.string())
    try:
        return pa.array(np.ascontiguousarray(labels.astype(labels.dtype.newbyteorder("="))), from_pandas=True)
    except UnicodeError as error:
        raise InputError(f"{name}: labels hold text that is not Unicode.") from error


def _inputs(values: NDArray[Any], name: str, roles: Roles, means: Means) -> tuple[Inputs, dict[int, str]]:
    if values.dtype.kind in "US":
        if values.ndim != 1:
            raise InputError(f"{name}: texts must be (n,). Got {values.shape}.")
        return pa.array(
            [str(text) for text in np.char.decode(values, "utf-8", "replace").tolist()]
            if values.dtype.kind == "S"
            else values.tolist(),
            pa.string(),
        ), {}
    if values.ndim == 2 and roles.modality is not Modality.IMAGE:
        columns = {f"x{i}": values[:, i].astype(values.dtype.newbyteorder("=")) for i in range(values.shape[1])}
        return _table(columns, name), {}
    if values.ndim == 2:
        values = images.squared(values, name)
    return images.from_array(values, name, means)


def _table(columns: dict[str, NDArray[Any]], name: str) -> pa.Table:
    if not columns:
        raise InputError(f"{name}: inputs have no columns.")
    return pa.table(
        {
            title: pa.array(np.where(np.isfinite(column), column, np.nan), from_pandas=True)
            if column.dtype.kind == "f"
            else pa.array(column)
            for title, column in columns.items()
        }
    )
