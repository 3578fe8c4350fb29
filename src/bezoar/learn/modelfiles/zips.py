"""Zip archives read with suspicion: the central directory, every local header and the bytes between have to agree."""

import bz2
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles.mapping import checksum
from bezoar.learn.modelfiles.pieces import Budget, shown, spooled
from bezoar.learn.modelfiles.verdict import LIES, REACHES, UNREAD, Reason

_END, _END64, _LOCATOR, _CENTRAL, _LOCAL = (
    b"PK" + mark for mark in (b"\x05\x06", b"\x06\x06", b"\x06\x07", b"\x01\x02", b"\x03\x04")
)
_MOST = 200_000
_CHUNK = 2**20
_ODD_MEMBERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file in the archive, as the central directory has it.

    Parameters
    ----------
    flags, method, crc, packed, size : of the zip format.
    header, start : where its local header and its bytes begin.
    """

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int
    start: int
    mode: int

    @property
    def is_folder(self) -> bool:
        """Whether it is only the name of a folder."""
        return self.name.endswith("/") and self.size == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Its members, and what is wrong with it. Reasons name members and bytes of the archive itself."""

    members: tuple[Member, ...]
    reasons: tuple[Reason, ...]


def end_of(data: memoryview) -> int | None:
    """Where the end record of a zip archive lies, None where there is none."""
    tail = max(0, len(data) - 65_557)
    spot = bytes(data[tail:]).rfind(_END)
    return None if spot < 0 or len(data) - tail - spot < 22 else tail + spot


def read(data: memoryview) -> Archive:
    """Read the directory of an archive.

    Raises
    ------
    InputError
        There is none, or it cannot be followed.
    """
    end = end_of(data)
    if end is None:
        raise InputError("is no whole zip archive: it has no directory")
    count, size, offset = struct.unpack_from("<HII", data, end + 10)
    (comment,) = struct.unpack_from("<H", data, end + 20)
    reasons: list[Reason] = []
    directory_end = end
    if end >= 20 and bytes(data[end - 20 : end - 16]) == _LOCATOR:
        (record,) = struct.unpack_from("<Q", data, end - 12)
        if record + 56 > len(data) or bytes(data[record : record + 4]) != _END64:
            raise InputError("has a zip64 record that is not there")
        short = (count, size, offset)
        count, size, offset = struct.unpack_from("<QQQ", data, record + 32)
        directory_end = record
        if any(s not in (w, 0xFFFF, 0xFFFFFFFF) for s, w in zip(short, (count, size, offset), strict=True)):
            reasons.append(_lie("has two end records that differ: readers may take different ones"))
    if end + 22 + comment != len(data):
        reasons.append(_lie(f"{len(data) - end - 22 - comment:,} bytes follow the end of the archive"))
    if count > _MOST:
        raise InputError(f"has {count:,} members, more than {_MOST:,}")
    shift = directory_end - size - offset
    if shift < 0:
        raise InputError("has a directory that does not lie in the file")
    if shift:
        reasons.append(_lie(f"{shift:,} bytes lie before the archive or within it that it does not list"))
    members = list(_directory(data, directory_end - size, directory_end, shift, count, reasons))
    _compare_regions(data, members, directory_end - size, reasons)
    _compare_names(members, reasons)
    if sum(member.packed for member in members) > len(data):
        reasons.append(_lie("holds more bytes than it has: members lie over one another, and only the first is read"))
        members = members[:1]
    return Archive(members=tuple(members), reasons=tuple(reasons[:_ODD_MEMBERS]))


def _lie(what: str, where: str = "") -> Reason:
    return Reason(LIES, where, what)


def _directory(data: memoryview, at: int, end: int, shift: int, count: int, reasons: list[Reason]) -> Iterator[Member]:
    found = 0
    while at + 46 <= end and bytes(data[at : at + 4]) == _CENTRAL:
        flags, method, _, crc, packed, size, name_length, extra_length, comment = struct.unpack_from(
            "<HHIIIIHHH", data, at + 8
        )
        mode, header = struct.unpack_from("<II", data, at + 38)
        name = _named(bytes(data[at + 46 : at + 46 + name_length]), flags)
        extra = bytes(data[at + 46 + name_length : at + 46 + name_length + extra_length])
        size, packed, header = _wide(extra, size, packed, header)
        member = _with_local(data, name, (flags, method, crc, packed, size), header + shift, mode >> 16, reasons)
        found += 1
        yield member
        at += 46 + name_length + extra_length + comment
        if found > _MOST:
            raise InputError(f"lists more than {_MOST:,} members")
    if found != count or at != end:
        reasons.append(_lie(f"says that it has {count:,} members, and lists {found:,}"))


def _named(raw: bytes, flags: int) -> str:
    return raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")


def _wide(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """Sizes and offset with those of zip64 where they do not fit 32 bits."""
    values = [size, packed, header]
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            rest = extra[at + 4 : at + 4 + length]
            for index, value in enumerate(values):
                if value == 0xFFFFFFFF and len(rest) >= 8:
                    values[index], rest = int.from_bytes(rest[:8], "little"), rest[8:]
        at += 4 + length
    return values[0], values[1], values[2]


def _with_local(
    data: memoryview, name: str, facts: tuple[int, ...], header: int, mode: int, reasons: list[Reason]
) -> Member:
    """The member, after its local header was compared: readers that stream see only that one."""
    flags, method, crc, packed, size = facts
    if header + 30 > len(data) or bytes(data[header : header + 4]) != _LOCAL:
        raise InputError(f"{shown(name)}: has no local header where the directory says")
    own_flags, own_method, _, own_crc, own_packed, own_size, name_length, extra_length = struct.unpack_from(
        "<HHIIIIHH", data, header + 6
    )
    start = header + 30 + name_length + extra_length
    own_name = _named(bytes(data[header + 30 : header + 30 + name_length]), own_flags)
    own_size, own_packed, _ = _wide(bytes(data[start - extra_length : start]), own_size, own_packed, 0)
    if start + packed > len(data):
        raise InputError(f"{shown(name)}: lies beyond the end of the file")
    streamed = own_flags & 8 and not (own_crc or own_packed or own_size)
    differ = [
        what
        for what, own, other in (
            ("name", own_name, name),
            ("method", own_method, method),
            ("encryption", own_flags & 1, flags & 1),
            ("checksum", own_crc, crc if not streamed else own_crc),
            ("packed size", own_packed, packed if not streamed else own_packed),
            ("size", own_size, size if not streamed else own_size),
        )
        if own != other
    ]
    if differ:
        reasons.append(_lie(f"its local header has another {' and '.join(differ)} than the directory", shown(name)))
    return Member(
        name=name, flags=flags, method=method, crc=crc, packed=packed, size=size, header=header, start=start, mode=mode
    )


def _compare_regions(data: memoryview, members: list[Member], directory: int, reasons: list[Reason]) -> None:
    """Nothing may overlap, and nothing may lie between members but the descriptors of streamed ones."""
    at = None
    for member in sorted(members, key=lambda member: member.header):
        if at is not None:
            _compare_gap(data, at, member.header, shown(member.name), reasons)
        at = member.start + member.packed
        if member.flags & 8:
            at = _after_descriptor(data, member, at)
    if at is not None:
        _compare_gap(data, at, directory, "directory", reasons)


def _compare_gap(data: memoryview, end: int, start: int, name: str, reasons: list[Reason]) -> None:
    if start < end:
        reasons.append(_lie("overlaps what lies before it", name))
    elif start > end:
        reasons.append(_lie(f"{start - end:,} bytes lie before it that the archive does not list", name))


def _after_descriptor(data: memoryview, member: Member, at: int) -> int:
    """The end of the data descriptor, which has one of four forms. Without one, `at`."""
    for form, length in (("<4xIII", 16), ("<4xIQQ", 24), ("<III", 12), ("<IQQ", 20)):
        if at + length <= len(data):
            crc, packed, size = struct.unpack_from(form, data, at)
            marked = bytes(data[at : at + 4]) == b"PK\x07\x08" or not form.startswith("<4x")
            if marked and (crc, packed, size) == (member.crc, member.packed, member.size):
                return at + length
    return at


def _compare_names(members: list[Member], reasons: list[Reason]) -> None:
    seen: set[str] = set()
    for member in members:
        # torch looks names up without regard to case, and so do some file systems.
        plain = member.name.replace("\\", "/").removeprefix("./").lower()
        if plain in seen:
            reasons.append(_lie("occurs more than once: readers may take different ones", shown(member.name)))
        seen.add(plain)
        if leads_out(member.name):
            reasons.append(Reason(REACHES, shown(member.name), "would be unpacked outside of its folder"))
        if member.mode & 0o170000 == 0o120000:
            reasons.append(Reason(REACHES, shown(member.name), "is a link: what is written to it goes elsewhere"))
        if member.flags & 1:
            reasons.append(Reason(UNREAD, shown(member.name), "is encrypted"))


def leads_out(name: str) -> bool:
    """Whether a path in an archive or a model leaves the folder that it belongs to."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:", name) is not None


def unpack(data: memoryview, member: Member, budget: Budget) -> tuple[memoryview, list[Reason]]:
    """The bytes of a member, in place where they are not packed, and what is wrong with them.

    A wrong checksum or size is a reason and not an end: readers that do not check go on as well.

    Raises
    ------
    InputError
        Encrypted, packed in an unknown way, damaged, or too large.
    """
    name = shown(member.name)
    packed = data[member.start : member.start + member.packed]
    if member.flags & 1:
        raise InputError("is encrypted")
    content = packed if member.method == 0 else spooled(_inflated(packed, member), budget, len(packed))
    reasons = []
    if len(content) != member.size:
        reasons.append(_lie(f"says that it has {member.size:,} bytes, and holds {len(content):,}", name))
    found = checksum(data, member.start, member.packed) if member.method == 0 else zlib.crc32(content)
    if found != member.crc:
        reasons.append(_lie("has another checksum than its content", name))
    return content, reasons


def _inflated(packed: memoryview, member: Member) -> Iterator[bytes]:
    """Unpacked chunks. One byte more than promised is taken, to see whether there is more."""
    makers: dict[int, Callable[[], Decompressor]] = {
        8: lambda: zlib.decompressobj(-15),
        12: bz2.BZ2Decompressor,
        14: lambda: _lzma(packed),
    }
    if member.method not in makers:
        raise InputError(f"is packed by method {member.method}, which is not read")
    source = packed[_lzma_head(packed) :] if member.method == 14 else packed
    left = member.size + 1
    try:
        machine = makers[member.method]()
        for chunk in unpacked_by(machine, source):
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise InputError(f"is damaged: {shown(error)}") from error


class Decompressor(Protocol):
    """The decompressors of the standard library."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was given and lies behind the end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many bytes."""
        ...


def unpacked_by(machine: Decompressor, source: memoryview) -> Generator[bytes, None, int]:
    """What a decompressor gives, at most a megabyte at a time. Returns how many bytes of the source it took.

    Raises
    ------
    EOFError
        The source ends before the stream does.
    """
    for start in range(0, len(source), _CHUNK // 8):
        given = bytes(source[start : start + _CHUNK // 8])
        waiting = given
        while True:
            chunk = machine.decompress(waiting, _CHUNK)
            if chunk:
                yield chunk
            if machine.eof:
                return start + len(given) - len(machine.unused_data)
            waiting = getattr(machine, "unconsumed_tail", b"")
            full = len(chunk) == _CHUNK or not getattr(machine, "needs_input", True)
            if not waiting and not (chunk and full):
                break
    raise EOFError("ends too early")


def _lzma_head(packed: memoryview) -> int:
    return 4 + int.from_bytes(packed[2:4], "little")


def _lzma(packed: memoryview) -> lzma.LZMADecompressor:
    properties = bytes(packed[4 : _lzma_head(packed)])
    if len(properties) != 5:
        raise InputError("is damaged: no LZMA properties")
    number, size = properties[0], int.from_bytes(properties[1:], "little")
    chain = {
        "id": lzma.FILTER_LZMA1,
        "dict_size": min(size, 2**26),
        "lc": number % 9,
        "lp": number // 9 % 5,
        "pb": number // 45,
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chain])
