"""Weights out of model files, by parsing alone: no pickle is loaded, whatever else it holds."""

import os
import struct
import sys
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import formats, numpy_files, pickles, safetensors_files, torch_files, zips
from bezoar.learn.modelfiles.inspector import Inspector
from bezoar.learn.modelfiles.mapping import mapped
from bezoar.learn.modelfiles.pickle_values import Global, Made, Pairs, Stored, Value
from bezoar.learn.modelfiles.pieces import Budget, Limits, Piece, shown

_STORAGES: Final = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "ByteStorage": torch.uint8, "CharStorage": torch.int8,
    "ShortStorage": torch.int16, "IntStorage": torch.int32, "LongStorage": torch.int64, "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128, "UntypedStorage": torch.uint8,
}  # fmt: skip
_SAFETENSORS: Final = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "U16": torch.uint16,
    "F16": torch.float16, "BF16": torch.bfloat16, "I32": torch.int32, "U32": torch.uint32, "F32": torch.float32,
    "I64": torch.int64, "U64": torch.uint64, "F64": torch.float64, "C64": torch.complex64,
    "F8_E5M2": torch.float8_e5m2, "F8_E4M3": torch.float8_e4m3fn,
}  # fmt: skip
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "weights", "params")
"""Under which names checkpoints keep the weights, beside optimisers and the rest."""
_SPREAD = 1_000
"""How many times as many elements as are stored a tensor may have by repeating them."""
_DAMAGE = (struct.error, ValueError, IndexError, OverflowError, RecursionError)

Storages = dict[str, tuple[torch.UntypedStorage, torch_files.Wanted]]


def read_tensors(path: str | os.PathLike[str], *, limits: Limits | None = None) -> dict[str, Tensor]:
    """The tensors of a model file by name.

    Reads safetensors, torch's checkpoints (the zip and the older format), .npy and .npz with numbers. Of a
    checkpoint with more in it than weights, the weights are taken: those at the top, else those below "state_dict",
    "model" and the like, else all, with names such as "ema.layer.weight". A whole model that was pickled gives the
    names of its state dict. Tensors that share storage share it here too.

    The file may be unsafe to load: nothing in it is called, and what a call would have made is left out.

    Parameters
    ----------
    path : a file.
    limits : how much is worked through.

    Raises
    ------
    InputError
        Another format, damaged, tensors that reach out of their storage, or no tensors at all.
    """
    path = Path(path)
    try:
        data = mapped(path)
        piece = Piece(name=path.name, where="", data=data, budget=Budget(limits=limits or Limits()))
        kind = formats.detect(piece)
        if kind not in _READERS:
            raise InputError(f"no tensors are read from {kind} files")
        tensors = _READERS[kind](piece)
    except InputError as error:
        raise InputError(f"{shown(path, 300)}: {str(error).rstrip('.')}.") from error
    except _DAMAGE as error:
        raise InputError(f"{shown(path, 300)}: is damaged: {shown(error)}.") from error
    if not tensors:
        raise InputError(f"{shown(path, 300)}: holds no tensors that can be read.")
    return tensors


def _from_safetensors(piece: Piece) -> dict[str, Tensor]:
    header, repeated, start = safetensors_files.read_header(piece.data)
    found, wrong = safetensors_files.tensors(header, start, len(piece.data))
    if wrong or repeated:
        raise InputError(wrong[0] if wrong else f"{shown(repeated[0])} occurs more than once")
    tensors = {}
    for entry in found:
        if entry.dtype not in _SAFETENSORS:
            raise InputError(f"{shown(entry.name)}: tensors of {entry.dtype} are not read")
        dtype = _SAFETENSORS[entry.dtype]
        storage = _storage(piece.data[entry.begin : entry.end], swapped=sys.byteorder == "big", width=dtype.itemsize)
        tensors[entry.name] = view(storage, dtype, 0, entry.shape, _contiguous(entry.shape))
    return {name: tensors[name] for name in header if name in tensors}


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _from_npy(piece: Piece) -> dict[str, Tensor]:
    return {piece.name.removesuffix(".npy"): _array(piece.data)}


def _from_npz(piece: Piece) -> dict[str, Tensor]:
    archive = zips.read(piece.data)
    return {
        member.name.removesuffix(".npy"): _array(_content(piece, member))
        for member in archive.members
        if not member.is_folder
    }


def _content(piece: Piece, member: zips.Member) -> memoryview:
    content, reasons = zips.unpack(piece.data, member, piece.budget)
    if reasons:
        raise InputError(f"{reasons[0].where}: {reasons[0].what}")
    return content


def _array(data: memoryview) -> Tensor:
    if bytes(data[:6]) != b"\x93NUMPY":
        raise InputError("has a member that is no array")
    header = numpy_files.read_header(data)
    if header.dtype.hasobject:
        raise InputError("holds pickled objects; arrays of numbers alone are read")
    length = prod(header.shape) * header.dtype.itemsize
    if length != len(data) - header.start:
        raise InputError(f"says that it holds {length:,} bytes, and holds {len(data) - header.start:,}")
    flat: np.ndarray[Any, Any] = np.frombuffer(data[header.start :], header.dtype)
    array = flat.reshape(header.shape, order="F" if header.fortran else "C")
    try:
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))
    except TypeError as error:
        raise InputError(f"has elements of the type {header.dtype}, of which there are no tensors") from error


def _from_zip(piece: Piece) -> dict[str, Tensor]:
    archive = zips.read(piece.data)
    lies = [reason for reason in archive.reasons if "occurs more than once" in reason.what]
    if lies:
        raise InputError(f"{lies[0].where}: {lies[0].what}")
    members = {member.name: member for member in archive.members}
    prefix = archive.members[0].name.partition("/")[0]
    if f"{prefix}/data.pkl" not in members:
        raise InputError("holds no pickle of a checkpoint")
    order = members.get(f"{prefix}/byteorder")
    swapped = order is not None and bytes(_content(piece, order)) != sys.byteorder.encode()
    inner = piece.inner("data.pkl", _content(piece, members[f"{prefix}/data.pkl"]))
    inspector = Inspector(inner, loader="torch")
    value, _ = pickles.follow(inner, 0, inspector)
    storages: Storages = {}
    for want in _asked(inspector):
        if want.key not in storages:
            member = members.get(f"{prefix}/data/{want.key}")
            if member is None:
                raise InputError(f"the storage {shown(want.key)} is not there")
            storages[want.key] = (_stored(_content(piece, member), want, swapped), want)
    return _picked(value, storages)


def _from_legacy(piece: Piece) -> dict[str, Tensor]:
    inspector = Inspector(piece, loader="torch")
    at, values = 0, []
    for _ in range(torch_files.PICKLES):
        value, at = pickles.follow(piece, at, inspector)
        values.append(value)
    system = values[2]
    swapped = isinstance(system, Pairs) and (system.get("little_endian") is not (sys.byteorder == "little"))
    asked = {want.key: want for want in _asked(inspector)}
    places = torch_files.legacy_storages(piece.data, at, values[4], asked)
    storages = {
        key: (_stored(piece.data[start : start + length], asked[key], swapped), asked[key])
        for key, (start, length) in places.items()
    }
    return _picked(values[3], storages)


_READERS = {
    "safetensors": _from_safetensors,
    "npy": _from_npy,
    "npz": _from_npz,
    "torch zip": _from_zip,
    "torch legacy": _from_legacy,
}


def _asked(inspector: Inspector) -> list[torch_files.Wanted]:
    found = []
    for identity, _ in inspector.stored:
        want = torch_files.wanted(identity)
        if want is None:
            raise InputError("asks for a storage in a way that torch does not write")
        found.append(want)
    return found


def _stored(content: memoryview, want: torch_files.Wanted, swapped: bool) -> torch.UntypedStorage:
    if len(content) != want.length:
        raise InputError(f"the storage {shown(want.key)} has {len(content):,} bytes, not {want.length:,}")
    complex_parts = 2 if want.kind.startswith("Complex") else 1
    return _storage(content, swapped=swapped, width=torch_files.BYTES[want.kind] // complex_parts)


def _storage(content: memoryview, *, swapped: bool, width: int) -> torch.UntypedStorage:
    raw = np.frombuffer(content, np.uint8).copy()
    if swapped and width > 1:
        raw = np.ascontiguousarray(raw.reshape(-1, width)[:, ::-1]).reshape(-1)
    return torch.from_numpy(raw).untyped_storage()


def _picked(value: Value, storages: Storages) -> dict[str, Tensor]:
    """The weights among all that a checkpoint holds."""
    found = _below(value, "", storages)
    top = {name: tensor for name, tensor in found.items() if name in _own(value, storages)}
    if top:
        return top
    for wrapper in _WRAPPERS:
        inner = {name.removeprefix(f"{wrapper}."): t for name, t in found.items() if name.startswith(f"{wrapper}.")}
        if inner:
            return inner
    return found


def _own(value: Value, storages: Storages) -> set[str]:
    """The names of tensors that stand in the value itself; of a model, all of them."""
    if isinstance(value, Made) and _is_module(value):
        return set(_below(value, "", storages))
    entries = [(key, inner) for key, inner in _entries(value) if isinstance(key, str | int)]
    return {str(key) for key, inner in entries if _tensor(inner, storages) is not None}


def _entries(value: Value) -> list[tuple[Value, Value]]:
    if isinstance(value, Pairs | Made):
        return value.pairs
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def _is_module(value: Made) -> bool:
    return isinstance(value.state, Pairs) and isinstance(value.state.get("_modules"), Made | Pairs)


def _below(root: Value, name: str, storages: Storages) -> dict[str, Tensor]:
    """Every tensor in a value, by the keys that lead to it. Later ones win, as in a dict."""
    found: dict[str, Tensor] = {}
    waiting: list[tuple[str, Value, int]] = [(name, root, 0)]
    seen: set[int] = set()
    while waiting:
        path, value, depth = waiting.pop()
        tensor = _tensor(value, storages)
        if tensor is not None:
            found[path or "tensor"] = tensor
            continue
        if isinstance(value, Made | Pairs | list | tuple):
            if id(value) in seen or depth > 100:
                continue
            seen.add(id(value))
        entries = _entries(value)
        if isinstance(value, Made) and _is_module(value):
            parts = ("_parameters", "_buffers", "_modules")
            entries = [entry for part in parts for entry in _entries(value.state.get(part))]
        last = {str(key): inner for key, inner in entries if isinstance(key, str | int)}
        waiting.extend((f"{path}.{key}" if path else key, inner, depth + 1) for key, inner in reversed(last.items()))
    return found


def _tensor(value: Value, storages: Storages) -> Tensor | None:
    """The tensor that a value stands for, None where it stands for something else."""
    for _ in range(3):
        if not isinstance(value, Made) or not isinstance(value.maker, Global) or value.rule is None:
            return None
        if not value.maker.path.startswith("torch._utils._rebuild_parameter"):
            break
        value = value.args[0]
    if value.maker.path not in _REBUILT or len(value.args) < 4 or not isinstance(value.args[0], Stored):
        return None
    want = torch_files.wanted(value.args[0].identity)
    if want is None or want.key not in storages:
        raise InputError("has a tensor without a storage")
    if want.kind not in _STORAGES:
        raise InputError(f"tensors in a {want.kind} are not read")
    dtype = _STORAGES[want.kind]
    if value.maker.name == "_rebuild_tensor_v3":
        dtype = _dtype(value.args[6] if len(value.args) > 6 else None)
    return view(storages[want.key][0], dtype, value.args[1], value.args[2], value.args[3])


_REBUILT = frozenset(f"torch._utils.{name}" for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"))


def _dtype(value: Value) -> torch.dtype:
    found = getattr(torch, value.name, None) if isinstance(value, Global) and value.module == "torch" else None
    if not isinstance(found, torch.dtype):
        raise InputError("has a tensor without a type")
    return found


def view(
    storage: torch.UntypedStorage, dtype: torch.dtype, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Tensor:
    """A tensor in a storage, after it was made sure that it lies there.

    Raises
    ------
    InputError
        It reaches out of the storage, or repeats it beyond reason.
    """
    count, stored = prod(shape), storage.nbytes() // dtype.itemsize
    if len(shape) != len(strides) or offset < 0 or any(n < 0 for n in (*shape, *strides)):
        raise InputError("has a tensor with a negative size, stride or offset")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) if count else 0
    if (count and last >= stored) or offset > stored:
        raise InputError(f"has a tensor that ends at element {last:,} of a storage of {stored:,}")
    if count > _SPREAD * stored + 2**20:
        raise InputError(f"has a tensor of {count:,} elements in a storage of {stored:,}")
    return torch.empty(0, dtype=dtype).set_(storage, offset, shape, strides)
