"""Pieces that hostile files are put together from: pickle instructions, zip members, messages, GGUF."""

import json
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Maker = Callable[[Path], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A file, or a folder, that must not be called safe.

    Parameters
    ----------
    file : its name; a scanner gets its path. One that ends in a slash is a folder.
    make : writes it.
    code : of the finding that must be among the reasons.
    verdict : what a scanner should say: "not_analysed" where nobody can know more.
    """

    file: str
    make: Maker
    code: str
    verdict: Literal["unsafe", "not_analysed"] = "unsafe"


def text(value: str) -> bytes:
    """Push a string, by protocol 4."""
    raw = value.encode()
    return b"\x8c" + bytes((len(raw),)) + raw if len(raw) < 256 else b"X" + struct.pack("<I", len(raw)) + raw


def octets(value: bytes) -> bytes:
    """Push bytes, by protocol 3."""
    return b"B" + struct.pack("<I", len(value)) + value


def name(path: str, module: str | None = None) -> bytes:
    """Push an imported name, by STACK_GLOBAL. `module` where the name has dots in it."""
    if module is None:
        module, _, path = path.rpartition(".")
    return text(module) + text(path) + b"\x93"


def called(path: str, *args: bytes, module: str | None = None) -> bytes:
    """Call an imported name with what the arguments push."""
    return name(path, module) + b"(" + b"".join(args) + b"tR"


def pickled(*parts: bytes, protocol: int = 4) -> bytes:
    """A pickle: the parts between PROTO and STOP."""
    return b"\x80" + bytes((protocol,)) + b"".join(parts) + b"."


ECHO = text("echo pwned")
SYSTEM = called("posix.system", ECHO)
"""Runs a harmless program."""
EVIL = pickled(SYSTEM)


def written(content: bytes) -> Maker:
    """Writes these bytes."""

    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def zipped(members: Mapping[str, bytes] | Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive. Pairs may repeat names."""
    import io
    import warnings

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for member, content in members.items() if isinstance(members, Mapping) else members:
            archive.writestr(member, content)
    return stream.getvalue()


def checkpoint(
    pickle: bytes, storages: Mapping[str, bytes] | None = None, more: Mapping[str, bytes] | None = None
) -> bytes:
    """torch's zip around a pickle."""
    members = {"model/data.pkl": pickle, "model/byteorder": b"little"}
    members |= {f"model/data/{key}": content for key, content in (storages or {}).items()}
    members |= {f"model/{member}": content for member, content in (more or {}).items()} | {"model/version": b"3\n"}
    return zipped(members)


def storage(key: str = "0", count: int = 4, kind: str = "FloatStorage") -> bytes:
    """Push a storage by torch's persistent identifier."""
    return b"(" + text("storage") + name(f"torch.{kind}") + text(key) + text("cpu") + whole(count) + b"tQ"


def whole(value: int) -> bytes:
    """Push a whole number."""
    raw = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes((len(raw),)) + raw


def tensor(key: str = "0", count: int = 4, *, hooks: bytes | None = None) -> bytes:
    """Push a tensor of one dimension in a storage."""
    hooks = called("collections.OrderedDict") if hooks is None else hooks
    shape = b"(" + whole(count) + b"t(" + whole(1) + b"t"
    return called("torch._utils._rebuild_tensor_v2", storage(key, count) + whole(0) + shape + b"\x89" + hooks)


def safetensors(header: Mapping[str, Any] | bytes, body: bytes = b"") -> bytes:
    """A safetensors file with a header as given."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + body


def varint(value: int) -> bytes:
    """A number of the wire format."""
    raw = b""
    while value > 0x7F:
        raw += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return raw + bytes((value,))


def message(*fields: tuple[int, "int | bytes | str"]) -> bytes:
    """A protocol buffer."""
    raw = b""
    for number, value in fields:
        if isinstance(value, int):
            raw += varint(number << 3) + varint(value)
        else:
            body = value.encode() if isinstance(value, str) else value
            raw += varint(number << 3 | 2) + varint(len(body)) + body
    return raw


def onnx_model(*graph: tuple[int, "int | bytes | str"], functions: tuple[bytes, ...] = ()) -> bytes:
    """An ONNX model with these fields in its graph."""
    opset = message((1, ""), (2, 17))
    return message((1, 8), (2, "bezoar"), (7, message(*graph, (2, "graph"))), (8, opset), *((25, f) for f in functions))


def gguf(keys: Mapping[str, str], tensors: Iterable[tuple[str, int, int]] = (), body: bytes = b"") -> bytes:
    """A GGUF file: text by key, tensors of float32 with a name, a number of elements and an offset."""
    tensors = list(tensors)
    raw = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, value in keys.items():
        raw += _long_text(key) + struct.pack("<I", 8) + _long_text(value)
    for tensor_name, count, offset in tensors:
        raw += _long_text(tensor_name) + struct.pack("<IQIQ", 1, count, 0, offset)
    return raw + bytes(-len(raw) % 32) + body if tensors else raw


def _long_text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def keras(config: Mapping[str, Any]) -> bytes:
    """A .keras zip with this configuration."""
    return zipped({"metadata.json": b'{"keras_version": "3.5.0"}', "config.json": json.dumps(config).encode()})


def layer(
    class_name: str, config: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A model of one layer, as Keras 3 serialises it."""
    inner = {"module": "keras.layers", "class_name": class_name, "config": dict(config or {}), "registered_name": None}
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": [inner | dict(more or {})]},
        "registered_name": None,
    }
