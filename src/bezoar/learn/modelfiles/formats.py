"""Which scanner reads what: found by content first and by name second, and where the two contradict each other."""

import codecs
import re
import struct
from collections.abc import Iterator
from typing import Final

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import (
    archives,
    boosters,
    documents,
    gguf,
    hdf5,
    keras,
    numpy_files,
    onnx,
    pickle_machine,
    pickles,
    protobuf,
    safetensors_files,
    saved_model,
    sources,
    tars,
    torch_files,
    zips,
)
from bezoar.learn.modelfiles.pieces import Piece, Scanner, shown
from bezoar.learn.modelfiles.verdict import CARRIES, LIES, UNREAD, Reason


def _nothing(piece: Piece) -> Iterator[Reason | Piece]:
    """Data that no loader runs."""
    return iter(())


def _unknown(piece: Piece) -> Iterator[Reason | Piece]:
    yield Reason(UNREAD, piece.where, "has a format that is not known")


def _unread(piece: Piece) -> Iterator[Reason | Piece]:
    yield Reason(UNREAD, piece.where, f"is {piece.format}, which is not looked into")


def _native(piece: Piece) -> Iterator[Reason | Piece]:
    yield Reason(CARRIES, piece.where, "is a program or a library for the processor")


SCANNERS: Final[dict[str, Scanner]] = {
    "empty": _nothing,
    "zip": archives.scan_zip,
    "npz": archives.scan_zip,
    "torch zip": torch_files.scan_zip,
    "keras zip": keras.scan_zip,
    "tar": archives.scan_tar,
    "gzip": archives.scan_packed,
    "zlib": archives.scan_packed,
    "bz2": archives.scan_packed,
    "xz": archives.scan_packed,
    "lzma": archives.scan_packed,
    "lz4": archives.scan_packed,
    "zfile": archives.scan_packed,
    "7z": _unread,
    "modelfile": _unread,
    "rar": _unread,
    "zstd": _unread,
    "pickle": pickles.scan,
    "pickle in bytes": pickles.scan_bytes,
    "torch legacy": torch_files.scan_legacy,
    "npy": numpy_files.scan,
    "safetensors": safetensors_files.scan,
    "gguf": gguf.scan,
    "hdf5": hdf5.scan,
    "onnx": onnx.scan,
    "saved model": saved_model.scan,
    "keras metadata": saved_model.scan_metadata,
    "sentencepiece": _nothing,
    "tensorflow checkpoint": _nothing,
    "weights": _nothing,
    "ubjson": boosters.scan_ubjson,
    "lightgbm": _nothing,
    "json": documents.scan_json,
    "json lines": documents.scan_lines,
    "template": documents.scan_template,
    "yaml": documents.scan_yaml,
    "graph as text": documents.scan_graph,
    "xml with entities": documents.scan_entities,
    "python": sources.scan_python,
    "script": sources.scan_script,
    "text": _nothing,
    "picture": _nothing,
    "native": _native,
    "unknown": _unknown,
}
"""The scanner of each format."""

_MAGIC: Final = (
    (b"\x93NUMPY", "npy"),
    (b"GGUF", "gguf"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x7fELF", "native"),
    (b"\0asm", "native"),
    *((magic, "native") for magic in (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"#!", "script"),
)  # fmt: skip
_LEGACY = re.compile(rb"\x80[\x02-\x05](\x95.{8})?\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", re.DOTALL)
_PICKLED = frozenset(("pickle", "torch legacy", "torch zip", "zip", "tar", *("gzip", "zlib", "bz2", "xz", "lzma", "lz4", "zfile", "npy", "npz")))  # fmt: skip
_TEXT = frozenset(("text", "json", "json lines", "yaml", "template", "lightgbm", "empty"))
_ANYTHING = frozenset(SCANNERS)
_NAMES: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("pkl", "pickle", "joblib", "sav", "pk", "p"), _PICKLED),
    **dict.fromkeys(("pt", "pth", "ckpt", "pt2", "ptl"), _PICKLED | {"hdf5"}),
    "npy": frozenset(("npy",)),
    "npz": frozenset(("npz", "zip")),
    "safetensors": frozenset(("safetensors",)),
    "gguf": frozenset(("gguf",)),
    **dict.fromkeys(("h5", "hdf5", "he5"), frozenset(("hdf5",))),
    "keras": frozenset(("keras zip", "zip", "hdf5")),
    "onnx": frozenset(("onnx",)),
    "pb": frozenset(("saved model", "keras metadata", "onnx", "unknown", "empty")),
    **dict.fromkeys(("json", "jsonl"), _TEXT - {"template"}),
    "ubj": frozenset(("ubjson",)),
    **dict.fromkeys(("txt", "md", "rst", "csv", "tsv", "yaml", "yml", "jinja", "jinja2", "cfg", "ini", "toml"), _TEXT),
    **dict.fromkeys(("png", "jpg", "jpeg", "gif"), frozenset(("picture",))),
    "zip": frozenset(("zip", "npz", "torch zip", "keras zip")),
    "tar": frozenset(("tar",)),
    # joblib once named what zlib packs so.
    **dict.fromkeys(("gz", "tgz"), frozenset(("gzip", "zlib", "zfile"))),
    "bz2": frozenset(("bz2",)),
    **dict.fromkeys(("xz", "txz"), frozenset(("xz",))),
    "7z": frozenset(("7z",)),
}
"""What a file may be by the end of its name. A name that is not here promises nothing."""
_CODE = {"py": "python", "pyw": "python", "sh": "script", "bash": "script", "bat": "script", "cmd": "script", "ps1": "script", "js": "script", "vbs": "script", "rb": "script", "pl": "script", "lua": "script", "r": "script"}  # fmt: skip
_NATIVE = frozenset(("so", "dll", "dylib", "exe", "pyd", "pyc", "pyo", "jar", "class", "whl", "egg", "cubin", "ptx", "metallib", "o", "a"))  # fmt: skip


def suffix(name: str) -> str:
    """The end of a name in small letters, without its dot. Shards of torch's files end in ``.bin`` and the like."""
    return name.replace("\\", "/").rpartition("/")[2].lower().rpartition(".")[2] if "." in name else ""


def detect(piece: Piece) -> str:
    """The format of a piece by its content; by its name only where the content could be several things."""
    data, end = piece.data, suffix(piece.name)
    if len(data) == 0:
        return "empty"
    head = bytes(data[:4096])
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _kind_of_zip(data)
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return _CODE.get(end, found) if found == "script" else found
    if _is_windows_program(data):
        return "native"
    if tars.is_tar(data):
        return "tar"
    if _is_safetensors(data):
        return "safetensors"
    if _LEGACY.match(head):
        return "torch legacy"
    if head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= pickle_machine.HIGHEST_PROTOCOL:
        return "pickle"
    if head[0] == 0x78 and len(head) > 1 and (head[0] * 256 + head[1]) % 31 == 0 and head[1] in (1, 0x5E, 0x9C, 0xDA):
        return "zlib"
    if head[:2] == b"\x5d\0" and len(head) > 13:
        return "lzma"
    if re.match(rb"ZF[0-9A-Fa-fx ]{19}", head):
        return "zfile"
    return _by_structure(piece, head, end)


def _by_structure(piece: Piece, head: bytes, end: str) -> str:
    data = piece.data
    if hdf5.signature(data) is not None:
        return "hdf5"
    if end in ("onnx", "pb") and not pickles.is_whole(piece):
        # A small message may have no byte that text could not have.
        return _kind_of_message(piece, end)
    if boosters.is_ubjson(head):
        return "ubjson"
    text = _as_text(data)
    if text is not None and (found := _kind_of_text(piece, text, end)):
        return found
    if (end in ("pkl", "pickle", "joblib", "sav", "pk", "p") or pickles.is_whole(piece)) and pickles.may_begin(head):
        return "pickle"
    if text is not None:
        return "text"
    return _kind_of_message(piece, end)


def _kind_of_message(piece: Piece, end: str) -> str:
    name = piece.name.replace("\\", "/").rpartition("/")[2]
    if re.fullmatch(r"variables\.(index|data-\d{5}-of-\d{5})", name) or re.fullmatch(r".*\.data-\d{5}-of-\d{5}", name):
        return "tensorflow checkpoint"
    if name == "keras_metadata.pb":
        return "keras metadata"
    if end == "onnx":
        return "onnx"
    if end == "pb" and name.startswith("saved_model"):
        return "saved model"
    return protobuf.kind_of(piece.data) or "unknown"


def _kind_of_zip(data: memoryview) -> str:
    try:
        names = [member.name.lower() for member in zips.read(data).members]
    except (InputError, struct.error):
        return "zip"
    last = {name.rpartition("/")[2] for name in names}
    if last & {"data.pkl", "constants.pkl"} or any(name.endswith(".data/python_version") for name in names):
        return "torch zip"
    if "config.json" in names and last & {"metadata.json", "model.weights.h5"}:
        return "keras zip"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"


def _is_safetensors(data: memoryview) -> bool:
    """Whether bytes begin as a safetensors file: a length, then the brace of a JSON object."""
    length = int.from_bytes(data[:8], "little")
    begins = len(data) > 9 and data[8] == ord("{") and data[7] == 0
    return begins and 2 <= length < 2**40 and (length + 8 <= len(data) or length > safetensors_files.LONGEST_HEADER)


def _is_windows_program(data: memoryview) -> bool:
    if bytes(data[:2]) != b"MZ" or len(data) < 64:
        return False
    at = int.from_bytes(data[60:64], "little")
    return bytes(data[at : at + 4]) == b"PE\0\0"


_PROBED = 2**16


def _as_text(data: memoryview) -> str | None:
    """The beginning as text, None where it is none. Only a whole file that is UTF-8 without zeros is text."""
    head = bytes(data[:_PROBED])
    if b"\0" in head:
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), 2**22):
            chunk = bytes(data[start : start + 2**22])
            if b"\0" in chunk:
                return None
            decoder.decode(chunk, start + 2**22 >= len(data))
    except UnicodeDecodeError:
        return None
    return head.decode("utf-8-sig", "ignore")


def _kind_of_text(piece: Piece, text: str, end: str) -> str:
    name = piece.name.replace("\\", "/").rpartition("/")[2].lower()
    if end in _CODE:
        return _CODE[end]
    if end in ("jinja", "jinja2", "j2"):
        return "template"
    if name == "modelfile":
        return "modelfile"
    if end in ("yaml", "yml") or name == "mlmodel":
        return "yaml"
    if end in ("pbtxt", "textproto"):
        return "graph as text"
    if end in ("ipynb",):
        return "script"
    if text.lstrip().startswith("<") and "<!entity" in text.lower():
        return "xml with entities"
    if end == "jsonl":
        return "json lines"
    if text.startswith(("tree\n", "tree\r\n")) and "version=" in text[:200]:
        return "lightgbm"
    return "json" if text.lstrip()[:1] in ("{", "[") and documents.is_json(piece) else ""


def contradictions(piece: Piece) -> Iterator[Reason | Piece]:
    """Where name and content differ, and where the same bytes read as something else as well."""
    end = suffix(piece.name)
    if end in _NATIVE and piece.format != "native":
        yield Reason(CARRIES, piece.where, f"is named as code, .{end}")
    expected = _NAMES.get(end, _ANYTHING)
    if piece.format not in expected and piece.format not in ("empty", "pickle in bytes"):
        whole = piece.format not in ("unknown", "text")
        what = f"is named .{end}, and is {shown(piece.format)}"
        yield Reason(LIES if whole else UNREAD, piece.where, what)
    if piece.format not in ("pickle", "torch legacy", "pickle in bytes"):
        yield from _also_a_pickle(piece)
    if piece.format not in ("zip", "npz", "torch zip", "keras zip", "pickle in bytes", "empty"):
        yield from _also_a_zip(piece)
    if piece.format != "tar" and tars.holds_something(piece.data):
        yield Reason(LIES, piece.where, f"is {piece.format} and a tar archive at the same time")
    if piece.format != "hdf5" and len(piece.data) > 520 and hdf5.signature(piece.data):
        yield Reason(LIES, piece.where, f"is {piece.format} and an HDF5 file at the same time")


def _also_a_pickle(piece: Piece) -> Iterator[Reason]:
    """Loaders of pickles begin at the first byte, whatever the file is named."""
    for reason in pickles.acts(piece, unknown=_NAMES.get(suffix(piece.name)) is not _TEXT):
        yield Reason(reason.code, reason.where, f"read as a pickle it {reason.what}")


def _also_a_zip(piece: Piece) -> Iterator[Reason | Piece]:
    """Loaders of zip archives begin at the end of a file, whatever lies before."""
    try:
        if zips.end_of(piece.data) is None or not zips.read(piece.data).members:
            return
    except (InputError, struct.error):
        return
    yield Reason(LIES, piece.where, f"is {piece.format} and a zip archive at the same time")
    yield piece.inner("as a zip archive", piece.data, format="zip")
