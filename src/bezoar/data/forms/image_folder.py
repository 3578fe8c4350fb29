"""Folders of pictures, a folder per class, or per split and class."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from bezoar.core.data import Dataset, Unread
from bezoar.core.errors import InputError
from bezoar.data import pictures
from bezoar.data.assembly import Draft, announce, finish
from bezoar.data.intake import files_below, shown
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means

SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
_CLUTTER = frozenset({"thumbs.db", "desktop.ini"})
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


def read(folder: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Read every picture below the class folders. The id of a row is its path in `folder`.

    Raises
    ------
    InputError
        No class folder, no picture that can be read, no such split.
    """
    roles.require_no_columns(folder.name, "a folder of pictures")
    paths, unread = files_below(folder)
    if len(paths) > limits.rows:
        raise InputError(f"{shown(folder)}: {len(paths):,} files are over the limit of {limits.rows:,}.")
    parts = {path: path.relative_to(folder).parts for path in paths if path.name.lower() not in _CLUTTER}
    tops = {names[0] for names in parts.values() if len(names) > 1}
    above = 1 if tops and tops <= SPLITS else 0
    if roles.split is not None and not (above and roles.split in tops):
        there = ", ".join(sorted(tops)) if above else "none"
        raise InputError(f"{folder.name}: no split {shown(roles.split)}. There are: {there}.")
    rows: list[Path] = []
    notes: list[str] = []
    for path, names in parts.items():
        if len(names) > above + 1:
            if roles.split in (None, names[0]):
                rows.append(path)
        elif path.suffix.lower() in _PICTURES:
            unread.append(Unread(_where(path, folder), "not in a class folder; row left out"))
        else:
            notes.append(f"{_where(path, folder)} was not looked at: not in a class folder.")
    if not rows:
        raise InputError(
            f"{shown(folder)}: neither class folders of pictures nor a data file that Bezoar reads is in it."
        )
    labels = pa.array([_text(parts[path][above]) for path in rows], pa.string())
    decoded = pictures.decode(
        pictures.InFiles(rows, limits),
        limits,
        means,
        announce=lambda shape: announce(folder.resolve().name, labels, (), shape, limits, means),
    )
    read = np.setdiff1d(np.arange(len(rows)), list(decoded.faults))
    kept, whole = [rows[row] for row in read.tolist()], not decoded.faults
    draft = Draft(
        name=folder.resolve().name,
        inputs=decoded.images if whole else means.taken(decoded.images, read),
        hashes=decoded.hashes if whole else [decoded.hashes[row] for row in read.tolist()],
        labels=labels.take(pa.array(read)),
        ids=[_text("/".join(parts[path])) for path in kept],
        unread=(*unread, *decoded.unread(lambda row: _where(rows[row], folder))),
        notes=(*notes[:20], *decoded.notes),
    )
    return finish(draft, limits, means)


def _where(path: Path, folder: Path) -> str:
    return shown(Path(folder.resolve().name, path.relative_to(folder)), 300)


def _text(name: str) -> str:
    """File names may hold bytes that are no text; those are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
