"""Folders of MNIST's idx files, packed or not: ``train-images-idx3-ubyte.gz`` with ``train-labels-idx1-ubyte.gz``."""

import math
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data.forms.npz import from_splits
from bezoar.data.intake import mapped, open_file, require_inside, shown, unpacking
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means, release

_NAME = re.compile(r"(?:(?P<split>[\w-]+?)[-_.])?(?P<what>images|labels)[-_.]idx[0-9]-ubyte(?:\.gz)?")
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_SPLITS = {"t10k": "test"}
_LONGEST_HEADER = 4 + 4 * 255


def pairs(folder: Path) -> dict[str, dict[str, Path]]:
    """The idx files in a folder: by split, its images and its labels."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match:
            split = match["split"] or ""
            found.setdefault(_SPLITS.get(split, split), {}).setdefault(match["what"], path)
    return dict(sorted(found.items(), key=lambda item: (item[0] != "train", item[0])))


def read(folder: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Read all pairs of images and labels, the training split first. Unpacked files are mapped, not loaded.

    Raises
    ------
    InputError
        A file is missing, cut short, or lies about its size; no such split.
    """
    roles.require_no_columns(folder.name, "a folder of idx files")
    found = pairs(folder)
    if roles.split is not None:
        if roles.split not in found:
            raise InputError(f"{folder.name}: no split {shown(roles.split)}. There are: {', '.join(found)}.")
        found = {roles.split: found[roles.split]}
    for split, files in found.items():
        for what in ("images", "labels"):
            if what not in files:
                raise InputError(f"{shown(folder)}: no {what} file{f' for {split}' if split else ''}.")
            require_inside(files[what], folder)
    arrays = [
        (split, read_array(files["images"], limits, means), read_array(files["labels"], limits, means))
        for split, files in found.items()
    ]
    return from_splits(folder.resolve().name, arrays, roles, limits, means)


def read_array(
    path: Path,
    limits: Limits,
    means: Means = Means(),  # noqa: B008
) -> NDArray[Any]:
    """One idx file: two zero bytes, a type, the number of dimensions, their lengths, then the values.

    Raises
    ------
    InputError
        Another format, or a header that does not fit the bytes that follow.
    """
    with open_file(path, limits.file_bytes) as stream:
        if path.suffix == ".gz":
            return _unpacked(stream, path, limits, means)
        held = stream.seek(0, 2)
        stream.seek(0)
        dtype, shape, start = _header(stream.read(_LONGEST_HEADER), held, path)
        return mapped(stream, dtype, shape, offset=start) if 0 not in shape else np.zeros(shape, dtype)


def _unpacked(stream: BinaryIO, path: Path, limits: Limits, means: Means) -> NDArray[Any]:
    """The values of a packed file. It is unpacked twice: its header may lie, so first its bytes are counted."""
    head, held = b"", 0
    for chunk in unpacking(stream, path, limits.total_bytes):
        head, held = head or chunk, held + len(chunk)
    dtype, shape, start = _header(head, held, path)
    values, at = means.room((held,)), 0
    stream.seek(0)
    for chunk in unpacking(stream, path, limits.total_bytes):
        values[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        at += len(chunk)
        release(values)
    return values[start:].view(dtype).reshape(shape)


def _header(content: bytes, held: int, path: Path) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Type, shape and where the values start, once they agree with the bytes that the file holds."""
    if len(content) < 4 or content[:2] != b"\x00\x00" or content[2] not in _TYPES:
        raise InputError(f"{shown(path)}: not an idx file.")
    start = 4 + 4 * content[3]
    if not content[3] or len(content) < start:
        raise InputError(f"{shown(path)}: cut short in its header.")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", content[3], 4))
    dtype = np.dtype(_TYPES[content[2]])
    declared = math.prod(shape, start=dtype.itemsize)
    if declared != held - start:
        text = " x ".join(f"{length:,}" for length in shape[:8])
        raise InputError(f"{shown(path)}: declares {text} values, but holds {held - start:,} bytes of them.")
    return dtype, shape, start
