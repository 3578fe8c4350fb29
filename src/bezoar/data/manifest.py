"""Manifests: what a data set was, row by row, so that later every difference can be named."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pydantic

from bezoar.core import digest
from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.files import write_text
from bezoar.data.assembly import parse_json
from bezoar.data.intake import files_below, open_file, shown
from bezoar.data.options import Limits

FORMAT = "bezoar manifest 1"
_FILE_BYTES = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its id, the SHA-256 of its input in hexadecimal, its class name and its source."""

    id: str
    input: str
    label: str
    source: str


@dataclass(frozen=True, slots=True)
class File:
    """One file of the set: its path in the set's folder, its size in bytes and its SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Supplier:
    """One source: how many rows it gave, and the Merkle root over them."""

    name: str
    rows: int
    merkle_root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a data set was.

    ``merkle_root`` is that of the whole set in row order. ``numbered`` says that ids are positions, as of a
    set without ids of its own: an id then moves when a row before it goes.
    """

    name: str
    modality: str
    classes: tuple[str, ...]
    merkle_root: str
    numbered: bool
    rows: tuple[Row, ...]
    sources: tuple[Supplier, ...]
    files: tuple[File, ...]
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How the rows of two sets differ, by their ids.

    Parameters
    ----------
    added, removed : rows that only the new, or only the old set has.
    changed : rows whose input differs.
    relabelled, resourced : rows whose label, or whose source differs.
    renumbered : numbered sets only: (old, new) positions of rows that are the same otherwise. They come
        with every row added or removed before them and are no difference by themselves.
    reordered : the rows that both sets hold stand in another order.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    relabelled: tuple[str, ...] = ()
    resourced: tuple[str, ...] = ()
    renumbered: tuple[tuple[str, str], ...] = ()
    reordered: bool = False

    def __bool__(self) -> bool:
        rows = (self.added, self.removed, self.changed, self.relabelled, self.resourced)
        return any(rows) or self.reordered


def describe(data: Dataset, files: Sequence[File] = ()) -> Manifest:
    """The manifest of a data set as it is now."""
    sources = data.source if data.source is not None else [""] * len(data)
    rows = tuple(
        Row(str(row_id), content.hex(), data.classes[label], str(source))
        for row_id, content, label, source in zip(data.ids, data.input_hashes, data.labels, sources, strict=True)
    )
    return Manifest(
        name=data.name,
        modality=str(data.modality),
        classes=data.classes,
        merkle_root=_root(rows),
        numbered=_numbered(rows),
        rows=rows,
        sources=_suppliers(rows),
        files=tuple(files),
        unread=len(data.unread),
    )


def file_digests(spec: str | os.PathLike[str], limits: Limits = Limits()) -> tuple[File, ...]:  # noqa: B008
    """Size and SHA-256 of every file of a set on disk that can be read; nothing for a built-in or fetched set."""
    root = Path(spec)
    if not root.exists():
        return ()
    paths = files_below(root)[0] if root.is_dir() else [root]
    found = []
    for path in paths:
        try:
            stream = open_file(path, limits.file_bytes)
        except InputError:
            continue
        with stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            place = path.relative_to(root) if root.is_dir() else Path(path.name)
            found.append(File(shown(place.as_posix(), 4096), stream.tell(), sha256))
    return tuple(found)


def write_manifest(data: Dataset, path: str | os.PathLike[str], files: Sequence[File] = ()) -> Path:
    """Write the manifest of a data set as JSON.

    It holds a SHA-256 over all of itself. That shows damage and careless edits; who can write the file can
    also write a fitting one, so keep the Merkle root somewhere else as well.

    Raises
    ------
    OutputError
        It cannot be written; nothing is left half-written.
    """
    return save(describe(data, files), path)


def save(manifest: Manifest, path: str | os.PathLike[str]) -> Path:
    """Write a manifest that was described before, as :func:`write_manifest` does."""
    body = asdict(manifest)
    return write_text(path, json.dumps({"format": FORMAT, "digest": _digest(body), **body}, ensure_ascii=False) + "\n")


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Read a manifest and compute again every digest in it.

    Raises
    ------
    InputError
        It is missing, damaged, of another format, or was edited.
    """
    with open_file(Path(path), _FILE_BYTES) as stream:
        said = parse_json(stream.read(), shown(path))
    if not isinstance(said, dict) or said.pop("format", None) != FORMAT:
        raise InputError(f"{shown(path)}: not a {FORMAT}.")
    claimed = said.pop("digest", None)
    try:
        manifest = pydantic.TypeAdapter(Manifest).validate_python(said, strict=False, extra="forbid")
        intact = claimed == _digest(said)
        root, sources = _root(manifest.rows), _suppliers(manifest.rows)
    except pydantic.ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(f"{shown(path)}: {shown(place)}: {shown(error.errors()[0]['msg'])}.") from error
    except ValueError as error:
        raise InputError(f"{shown(path)}: damaged: {shown(error, 120)}.") from error
    if root != manifest.merkle_root:
        raise InputError(f"{shown(path)}: was edited: its rows give another Merkle root than it states.")
    if not intact or sources != manifest.sources or manifest.numbered != _numbered(manifest.rows):
        raise InputError(f"{shown(path)}: was edited: its digest does not fit what it states.")
    if len({row.id for row in manifest.rows}) != len(manifest.rows):
        raise InputError(f"{shown(path)}: names a row twice.")
    return manifest


def compare(old: Manifest, new: Manifest) -> Changes:
    """Exactly which rows differ.

    Rows with ids of their own are matched by id. Rows that only have positions are matched by content: first
    equal rows, then rows of equal input, in order; what is left at the same position has changed.
    """
    pairs = _by_content(old, new) if old.numbered and new.numbered else _by_id(old, new)
    matched = [(old.rows[i], new.rows[j]) for i, j in pairs]
    there, here = {i for i, _ in pairs}, {j for _, j in pairs}
    order = [j for _, j in sorted(pairs)]
    return Changes(
        added=tuple(row.id for j, row in enumerate(new.rows) if j not in here),
        removed=tuple(row.id for i, row in enumerate(old.rows) if i not in there),
        changed=tuple(b.id for a, b in matched if a.input != b.input),
        relabelled=tuple(b.id for a, b in matched if a.label != b.label),
        resourced=tuple(b.id for a, b in matched if a.source != b.source),
        renumbered=tuple((a.id, b.id) for a, b in matched if a.id != b.id),
        reordered=order != sorted(order),
    )


def _by_id(old: Manifest, new: Manifest) -> list[tuple[int, int]]:
    place = {row.id: j for j, row in enumerate(new.rows)}
    return [(i, place[row.id]) for i, row in enumerate(old.rows) if row.id in place]


def _by_content(old: Manifest, new: Manifest) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    left, right = dict(enumerate(old.rows)), dict(enumerate(new.rows))
    for key in (_whole, _content, _position):
        waiting: dict[object, list[int]] = defaultdict(list)
        for j, row in right.items():
            waiting[key(row)].append(j)
        queues: dict[object, Iterator[int]] = {value: iter(places) for value, places in waiting.items()}
        for i, row in list(left.items()):
            partner = next(queues.get(key(row), iter(())), None)
            if partner is not None:
                pairs.append((i, partner))
                del left[i], right[partner]
    return sorted(pairs)


def _whole(row: Row) -> object:
    return (row.input, row.label, row.source)


def _content(row: Row) -> object:
    return row.input


def _position(row: Row) -> object:
    return row.id


def _numbered(rows: Sequence[Row]) -> bool:
    """Whether ids are positions: whole numbers that rise, alone or within each ``split/``."""
    last: dict[str, int] = {}
    for row in rows:
        split, _, number = row.id.rpartition("/")
        if not (number.isascii() and number.isdigit()) or len(number) > 18 or number != str(int(number)):
            return False
        if int(number) <= last.get(split, -1):
            return False
        last[split] = int(number)
    return True


def _root(rows: Sequence[Row]) -> str:
    return digest.merkle_root([_leaf(row) for row in rows]).hex()


def _leaf(row: Row) -> bytes:
    return digest.leaf(bytes.fromhex(row.input), row.label, row.source)


def _suppliers(rows: Sequence[Row]) -> tuple[Supplier, ...]:
    by_source: dict[str, list[bytes]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(_leaf(row))
    return tuple(
        Supplier(name, len(leaves), digest.merkle_root(leaves).hex()) for name, leaves in sorted(by_source.items())
    )


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
