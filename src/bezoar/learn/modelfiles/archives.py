"""Archives and packed files: zip, tar and single streams. What lies in them is judged piece by piece."""

import bz2
import dataclasses
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import tars, zips
from bezoar.learn.modelfiles.pieces import Piece, shown, spooled
from bezoar.learn.modelfiles.verdict import LIES, REACHES, UNREAD, Reason


def scan_zip(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge every member of a zip archive."""
    archive = zips.read(piece.data)
    yield from placed(piece, archive.reasons)
    for member in archive.members:
        yield from opened(piece, member)


def placed(piece: Piece, reasons: tuple[Reason, ...] | list[Reason]) -> Iterator[Reason]:
    """Reasons that name places within a piece, naming them within the file."""
    for reason in reasons:
        yield dataclasses.replace(reason, where=piece.at(reason.where) if reason.where else piece.where)


def opened(piece: Piece, member: zips.Member, *, format: str = "") -> Iterator[Reason | Piece]:
    """A member as a piece of its own, after what is wrong with its packing."""
    if member.is_folder:
        return
    try:
        content, reasons = zips.unpack(piece.data, member, piece.budget)
    except InputError as error:
        yield Reason(UNREAD, piece.at(member.name), str(error))
        return
    yield from placed(piece, reasons)
    yield piece.inner(member.name, content, format=format)


def scan_tar(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge every file of a tar archive, and what lies behind its end."""
    seen: set[str] = set()
    end = 0
    for member in tars.members(piece.data):
        end = member.end
        name = shown(member.name, 200)
        if len(seen) > piece.budget.limits.pieces:
            raise InputError("has more members than are read")
        if zips.leads_out(member.name):
            yield Reason(REACHES, piece.at(name), "would be unpacked outside of its folder")
        if member.name in seen and member.kind != "folder":
            yield Reason(LIES, piece.at(name), "occurs more than once: readers may take different ones")
        seen.add(member.name)
        if member.kind == "link":
            outside = zips.leads_out(member.target)
            what = f"is a link to {shown(member.target)}" + ", outside of the archive" * outside
            yield Reason(REACHES if outside else UNREAD, piece.at(name), what)
        elif member.kind == "special":
            yield Reason(UNREAD, piece.at(name), "is a special or sparse file")
        elif member.kind == "file":
            yield piece.inner(member.name, piece.data[member.start : member.start + member.size])
    if not _only_zeros(piece.data[end:]):
        yield Reason(LIES, piece.where, "bytes follow the end of the archive")


def _only_zeros(data: memoryview) -> bool:
    return not any(bytes(data[at : at + 2**20]).strip(b"\0") for at in range(0, len(data), 2**20))


_STREAMS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "zlib": lambda: zlib.decompressobj(15),
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2**28),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=2**28),
}


def scan_packed(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge what a compressed file holds."""
    kind = piece.format
    name = piece.name
    for suffix in (".gz", ".bz2", ".xz", ".lzma", ".lz4", ".z", ".gzip"):
        name = name.removesuffix(suffix)
    if name.endswith(".tgz"):
        name = name.removesuffix("tgz") + "tar"
    try:
        if kind == "lz4":
            content, rest = spooled(_lz4(piece.data), piece.budget, len(piece.data)), 0
        elif kind == "zfile":
            content, rest = _zfile(piece)
        else:
            content, rest = _streams(kind, piece)
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise InputError(f"is damaged: {shown(error)}") from error
    if rest:
        yield Reason(UNREAD, piece.where, f"{rest:,} bytes follow the packed data")
    yield piece.inner(name, content)


def _streams(kind: str, piece: Piece) -> tuple[memoryview, int]:
    """What one stream or several, one after another, hold, and how many bytes are left over."""
    used = 0

    def chunks() -> Iterator[bytes]:
        nonlocal used
        while used < len(piece.data):
            try:
                used += yield from zips.unpacked_by(_STREAMS[kind](), piece.data[used:])
            except (zlib.error, OSError, EOFError, lzma.LZMAError):
                if not used:
                    raise
                return

    return spooled(chunks(), piece.budget, len(piece.data)), len(piece.data) - used


def _lz4(data: memoryview) -> Iterator[bytes]:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.py_buffer(data), "lz4") as stream:
        while chunk := stream.read(2**20):
            yield chunk


def _zfile(piece: Piece) -> tuple[memoryview, int]:
    """joblib's oldest packing: "ZF", the size as a hexadecimal number of 19 characters, then a zlib stream."""
    size = int(bytes(piece.data[2:21]), 16)
    start = 22 if bytes(piece.data[21:22]) == b" " else 21
    content = spooled(zips.unpacked_by(zlib.decompressobj(15), piece.data[start:]), piece.budget, len(piece.data))
    if len(content) != size:
        raise InputError(f"says that it unpacks to {size:,} bytes, and holds {len(content):,}")
    return content, 0
