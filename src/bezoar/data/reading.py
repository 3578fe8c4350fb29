"""Reads a data set in whatever form it comes."""

import os
from pathlib import Path

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data.forms import arrow_folder, builtin, delimited, hub, idx, image_folder, lines, npz, parquet
from bezoar.data.intake import reason, require_inside, shown
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means

FILES = {
    ".csv": delimited.read,
    ".csv.gz": delimited.read,
    ".jsonl": lines.read,
    ".jsonl.gz": lines.read,
    ".npz": npz.read,
    ".parquet": parquet.read,
}
WRITTEN = "data.parquet"


def read(
    spec: "str | os.PathLike[str]",
    *,
    roles: Roles = Roles(),  # noqa: B008
    limits: Limits = Limits(),  # noqa: B008
    means: Means = Means(),  # noqa: B008
) -> Dataset:
    """Read a data set.

    Everything read is presumed hostile: nothing in it is run, sizes are bounded, links out of a folder are
    not followed. Rows that cannot be read are listed in ``unread``, never dropped in silence.

    Parameters
    ----------
    spec : a built-in name (``digits``, ``mnist5k``, ``breast_cancer``); ``hf://name``; a ``.npz``,
        ``.parquet``, ``.csv[.gz]`` or ``.jsonl[.gz]`` file; a folder of class folders of pictures, of idx
        files, saved by Hugging Face ``datasets``, or with one data file. A built-in name goes before a
        folder of that name; write ``./digits`` for the folder.
    roles : which column is what; what is not named is found by name.
    limits : bounds on what is taken in.
    means : how much memory may be used and who decodes pictures. The set is the same whatever they are.

    Returns
    -------
    Dataset
        All rows of all splits unless ``roles.split`` names one.

    Raises
    ------
    InputError
        It is missing, damaged, hostile, over a limit, or has no label; one line says which.
    """
    text = os.fspath(spec)
    if text in builtin.NAMES and isinstance(spec, str):
        return builtin.read(text, roles, limits)
    if text.startswith(hub.PREFIX):
        return hub.read(text, roles, limits, means)
    path = Path(text)
    try:
        there, folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(text)}: cannot be read: {reason(error)}.") from error
    if not there:
        raise InputError(f"{shown(text)}: no such file, folder or built-in set. Built in: {', '.join(builtin.NAMES)}.")
    return _read_folder(path, roles, limits, means) if folder else _read_file(path, roles, limits, means)


def _read_file(path: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    form = _form(path)
    if form is None:
        raise InputError(f"{shown(path)}: no form that Bezoar reads. Files end in {', '.join(FILES)}.")
    return FILES[form](path, roles, limits, means)


def _read_folder(path: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    try:
        names = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be listed: {reason(error)}.") from error
    if names & {arrow_folder.STATE, arrow_folder.SPLITS}:
        return arrow_folder.read(path, roles, limits, means)
    if idx.pairs(path):
        return idx.read(path, roles, limits, means)
    if WRITTEN in names:
        return _read_inside(path, path / WRITTEN, roles, limits, means)
    files = sorted(name for name in names if _form(Path(name)) and not name.startswith("."))
    if len(files) > 1:
        raise InputError(f"{shown(path)}: holds {len(files)} data files ({shown(', '.join(files))}). Name one of them.")
    if files:
        return _read_inside(path, path / files[0], roles, limits, means)
    return image_folder.read(path, roles, limits, means)


def _read_inside(folder: Path, path: Path, roles: Roles, limits: Limits, means: Means) -> Dataset:
    require_inside(path, folder)
    return _read_file(path, roles, limits, means)


def _form(path: Path) -> str | None:
    lower = path.name.lower()
    return next((suffix for suffix in FILES if lower.endswith(suffix)), None)
