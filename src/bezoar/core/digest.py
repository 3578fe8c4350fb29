"""Content hashes of rows and the Merkle tree over them. SHA-256 throughout."""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAF, _NODE = b"\x00", b"\x01"
_BLOCK = 2**20
_ROWS = 16_384


def inputs(rows: Any) -> list[bytes]:
    """SHA-256 of each row: images (n, c, h, w), a ``pyarrow.Table`` or a string array."""
    if isinstance(rows, np.ndarray):
        head = repr((rows.shape[1:], rows.dtype.str)).encode()
        return [hashlib.sha256(head + row.tobytes()).digest() for row in rows]
    if hasattr(rows, "column_names"):
        head = repr(tuple(rows.column_names)).encode()
        hashes: list[bytes] = []
        # Cells as objects take ten times what they take as numbers.
        for start in range(0, len(rows), _ROWS):
            columns = rows.slice(start, _ROWS).columns
            cells = zip(*(column.to_pylist() for column in columns), strict=True)
            hashes += [hashlib.sha256(head + repr(row).encode("utf-8", "surrogatepass")).digest() for row in cells]
        return hashes
    return [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in rows.to_pylist()]


def arrays(named: Mapping[str, NDArray[Any]]) -> bytes:
    """SHA-256 of arrays and their names. Those that lie in a file are read a block at a time."""
    whole = hashlib.sha256()
    for name, array in named.items():
        whole.update(framed((name.encode(), repr((array.shape, array.dtype.str)).encode())))
        rows = np.atleast_1d(array)
        step = max(1, _BLOCK // max(1, rows[:1].nbytes))
        for start in range(0, len(rows), step):
            whole.update(rows[start : start + step].tobytes())
    return whole.digest()


def framed(parts: Iterable[bytes]) -> bytes:
    """Parts with their lengths before them, so that no two lists of parts give the same bytes."""
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def leaf(content: bytes, label: str, source: str) -> bytes:
    """The hash of one row: its content's hash, its label's name and its source."""
    return hashlib.sha256(_LEAF + framed((content, label.encode(), source.encode()))).digest()


def leaves(contents: Sequence[bytes], labels: Sequence[str], sources: Sequence[str]) -> list[bytes]:
    """:func:`leaf` of each row. What follows the content is framed once for each label and source."""
    head = _LEAF + struct.pack(">Q", hashlib.sha256().digest_size)
    tails = {pair: framed((pair[0].encode(), pair[1].encode())) for pair in set(zip(labels, sources, strict=True))}
    return [
        hashlib.sha256(head + content + tails[pair]).digest()
        for content, pair in zip(contents, zip(labels, sources, strict=True), strict=True)
    ]


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root of the Merkle tree over the leaves, an odd one passed up unpaired (RFC 6962, section 2.1)."""
    if not leaves:
        return hashlib.sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        paired = [hashlib.sha256(_NODE + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[len(paired) * 2 :]
    return level[0]
