"""Page headers of a parquet column: what its pages take once they are unpacked, told before any is.

The figures at the end of a file may say anything. A page's header is what its reader obeys.
"""

from dataclasses import dataclass
from typing import BinaryIO

import pyarrow.parquet as pq

_LONGEST = 16 * 2**20
"""Bytes of a header beyond which Arrow does not read it either."""
_FIRST = 2**14
_DEEPEST = 64
_MOST = 1_000_000
"""Pages of a file beyond which it is refused: a terabyte of ordinary ones."""
_DICTIONARY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What the pages of some columns take.

    Parameters
    ----------
    dictionary : bytes of the largest dictionary once unpacked, 0 where there is none. No value that a dictionary
        stands for is longer.
    largest : bytes of the largest page, packed and unpacked.
    total : bytes of all pages once unpacked.
    """

    dictionary: int
    largest: int
    total: int


def walk(stream: BinaryIO, metadata: pq.FileMetaData, leaves: list[int]) -> Pages:
    """Read the headers of all pages of these leaf columns, and nothing else.

    Raises
    ------
    ValueError
        Something else than pages lies there, or more of them than anybody writes.
    """
    dictionary = largest = total = pages = 0
    for group in range(metadata.num_row_groups):
        for leaf in leaves:
            chunk = metadata.row_group(group).column(leaf)
            at = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
                at = chunk.dictionary_page_offset
            end = at + chunk.total_compressed_size
            while at < end:
                header = _header(stream, at)
                if header is None:
                    break
                pages += 1
                if pages > _MOST:
                    raise ValueError("too many pages")
                at += header.length + header.packed
                total += header.unpacked
                largest = max(largest, header.packed + header.unpacked)
                if header.kind == _DICTIONARY:
                    dictionary = max(dictionary, header.unpacked)
    return Pages(dictionary=dictionary, largest=largest, total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """Of one page: its length in bytes, the kind of page, and the page's own bytes."""

    length: int
    kind: int
    unpacked: int
    packed: int


def _header(stream: BinaryIO, at: int) -> _Header | None:
    """The header at a place; None where the file ends in it."""
    size = _FIRST
    while True:
        stream.seek(at)
        content = stream.read(size)
        try:
            return _parsed(content)
        except IndexError:
            if len(content) < size:
                return None
        if size >= _LONGEST:
            raise ValueError("a page's header is too long")
        size *= 8


def _parsed(content: bytes) -> _Header:
    """A ``PageHeader`` (parquet.thrift) in Thrift's compact protocol. Raises ``IndexError`` where more bytes are needed."""
    reader = _Compact(content)
    numbers = reader.struct()
    missing = {1, 2, 3} - numbers.keys()
    if missing or numbers[2] < 0 or numbers[3] < 0:
        raise ValueError("a page's header is damaged")
    return _Header(length=reader.at, kind=numbers[1], unpacked=numbers[2], packed=numbers[3])


class _Compact:
    """Walks over a struct in Thrift's compact protocol, and keeps its 32-bit numbers."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.at = 0

    def struct(self, depth: int = 0) -> dict[int, int]:
        """By field, the numbers of a struct; those of structs in it are left out."""
        if depth > _DEEPEST:
            raise ValueError("a page's header nests too deep")
        numbers: dict[int, int] = {}
        field = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            field = _signed(field + step if step else _unzigzag(self._varint()), 16)
            if kind == 5:
                numbers[field] = _signed(_unzigzag(self._varint() % 2**32), 32)
            else:
                self._skip(kind, depth)
        return numbers

    def _skip(self, kind: int, depth: int) -> None:
        if kind in (4, 6):
            self._varint()
        elif kind in (3, 7):
            self._forward(1 if kind == 3 else 8)
        elif kind == 8:
            self._forward(_signed(self._varint(), 32))
        elif kind == 12:
            self.struct(depth + 1)
        elif kind not in (1, 2):
            raise ValueError("a page's header holds what none has")

    def _forward(self, n: int) -> None:
        if n < 0:
            raise ValueError("a page's header is damaged")
        self.at += n
        if self.at > len(self._content):
            raise IndexError

    def _byte(self) -> int:
        byte = self._content[self.at]
        self.at += 1
        return byte

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value % 2**64
        raise ValueError("a page's header is damaged")


def _unzigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _signed(value: int, bits: int) -> int:
    """A number as that many bits hold it, wrapped around as Arrow's reader wraps it."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half
