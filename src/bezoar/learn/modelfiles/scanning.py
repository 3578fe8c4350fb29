"""Scans a file or a folder: opens nothing but regular files inside of it, runs nothing, and tells what it did not read."""

import contextlib
import dataclasses
import os
import stat
import struct
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import formats, onnx
from bezoar.learn.modelfiles.mapping import digest, mapped
from bezoar.learn.modelfiles.pieces import Budget, Limits, Piece, shown
from bezoar.learn.modelfiles.verdict import REACHES, SEVERITIES, UNREAD, Reason, Scan

_MOST_REASONS = 200
_DEEPEST = 32
_DAMAGE = (InputError, struct.error, ValueError, IndexError, OverflowError, RecursionError, MemoryError)
"""What a parser may raise on bytes that lie. All of it means: not analysed."""


def scan(path: str | os.PathLike[str], *, limits: Limits | None = None) -> tuple[Scan, ...]:
    """Judge a model file, or every file of a folder.

    Links are followed to files inside the folder only. A folder in a cache of Hugging Face, ``snapshots/REVISION``,
    counts the ``blobs`` beside ``snapshots`` as its own.

    Parameters
    ----------
    path : a file or a folder.
    limits : how much is worked through.

    Returns
    -------
    tuple of Scan
        One for a file, one for each file of a folder in sorted order; see :func:`~bezoar.learn.modelfiles.worst`.

    Raises
    ------
    InputError
        There is no such file or folder, or it cannot be listed.
    """
    path = Path(path)
    limits = limits or Limits()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(path, 300)}: cannot be read: {_said(error)}.") from error
    if not stat.S_ISDIR(mode):
        return (_scan_file(path, shown(path.name, 500), limits),)
    return tuple(_scan_folder(path, limits))


def _scan_folder(root: Path, limits: Limits) -> Iterator[Scan]:
    homes = _homes(root)
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if folder == root:
                raise InputError(f"{shown(root, 300)}: cannot be listed: {_said(error)}.") from error
            yield _unread(_below(folder, root), f"the folder cannot be listed: {_said(error)}")
            continue
        weights = _weights(folder, [entry.name for entry in entries])
        for entry in entries:
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name == ".git":
                    continue
                if depth < _DEEPEST:
                    waiting.append((path, depth + 1))
                else:
                    yield _unread(_below(path, root), f"folders nest deeper than {_DEEPEST}")
            elif entry.is_symlink() and not _leads_home(path, homes):
                what = "is a link that leads out of the folder, or nowhere; not followed"
                reason = Reason(REACHES, "", what)
                yield Scan(path=_below(path, root), format="link", reasons=(reason,), bytes_read=0, sha256="")
            else:
                yield _scan_file(path, _below(path, root), limits, otherwise=weights.get(entry.name, "unknown"))


def _homes(root: Path) -> tuple[Path, ...]:
    home = root.resolve()
    blobs = home.parent.parent / "blobs"
    in_cache = home.parent.name == "snapshots" and home.parent.parent.name.startswith("models--")
    return (home, blobs) if in_cache else (home,)


def _leads_home(path: Path, homes: tuple[Path, ...]) -> bool:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    return any(target.is_relative_to(home) for home in homes) and not target.is_dir()


def _below(path: Path, root: Path) -> str:
    return shown(path.relative_to(root.parent), 500)


def _unread(name: str, what: str) -> Scan:
    return Scan(path=name, format="unknown", reasons=(Reason(UNREAD, "", what),), bytes_read=0, sha256="")


def _said(error: BaseException) -> str:
    return shown(getattr(error, "strerror", None) or error, 200)


def _weights(folder: Path, names: list[str]) -> dict[str, str]:
    """Files of a folder that are raw numbers because a graph beside them says so."""
    found: set[str] = set()
    for name in names:
        if name.endswith(".onnx"):
            with contextlib.suppress(*_DAMAGE):
                found |= onnx.external_files(mapped(folder / name))
    return dict.fromkeys(found, "weights")


def _scan_file(path: Path, name: str, limits: Limits, *, otherwise: str = "unknown") -> Scan:
    """Judge one file; `otherwise` is its format where neither content nor name tell one."""
    try:
        data = mapped(path)
    except InputError as error:
        return _unread(name, str(error))
    piece = Piece(name=path.name, where="", data=data, budget=Budget(limits=limits), folder=path.parent)
    with ThreadPoolExecutor(1) as other:
        hashed = other.submit(digest, data)
        found, reasons = _judged(piece, otherwise)
        return Scan(path=name, format=found, reasons=reasons, bytes_read=len(data), sha256=hashed.result())


def _judged(whole: Piece, otherwise: str) -> tuple[str, tuple[Reason, ...]]:
    """The format of a file, and the reasons from it and all pieces in it, the worst first."""
    reasons: dict[Reason, None] = {}
    counts: Counter[str] = Counter()
    waiting, first = [whole], ""
    while waiting:
        piece = waiting.pop()
        piece.budget.pieces -= 1
        if piece.budget.pieces < 0 or piece.depth > piece.budget.limits.depth:
            reasons[Reason(UNREAD, piece.where, "lies too deep, or behind too many others: not looked at")] = None
            continue
        kind = piece.format or _format(piece)
        kind = otherwise if kind == "unknown" and piece is whole else kind
        piece = dataclasses.replace(piece, format=kind)
        first = first or piece.format
        for source in (formats.SCANNERS[piece.format], formats.contradictions):
            try:
                for found in source(piece):
                    if isinstance(found, Piece):
                        waiting.append(found)
                    elif found not in reasons and counts[found.code] < _MOST_REASONS:
                        # Counted by code: no flood of one may hide another.
                        counts[found.code] += 1
                        reasons[found] = None
            except _DAMAGE as error:
                what = _said(error) if isinstance(error, InputError) else f"is damaged: {_said(error)}"
                reasons[Reason(UNREAD, piece.where, what)] = None
    ordered = sorted(reasons, key=lambda reason: (-SEVERITIES[reason.code].rank, reason))
    return first, tuple(ordered[:_MOST_REASONS])


def _format(piece: Piece) -> str:
    try:
        return formats.detect(piece)
    except _DAMAGE:
        return "unknown"
