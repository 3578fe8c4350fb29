"""The files of a model as they lie there, by name and digest. No link is followed."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from bezoar.core.errors import InputError
from bezoar.data.intake import reason, shown

ALONE = "."
"""The name of a model's file where the model is that file alone (OpenSSF Model Signing specification 1.0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What makes up a model.

    Parameters
    ----------
    name : of the file or folder.
    digests : SHA-256 in hexadecimal of every file, hidden ones included, by its path in the folder.
    odd : what is no plain file and was not read, by its path, and why: links, pipes, what may not be read.
    """

    name: str
    digests: dict[str, str]
    odd: dict[str, str]

    @property
    def alone(self) -> str:
        """The digest of the file that is the model alone; empty for a folder."""
        return self.digests.get(ALONE, "")

    @property
    def named(self) -> dict[str, str]:
        """The digests by names for people: of a file that is the model alone, its own."""
        return {self.name if name == ALONE else name: digest for name, digest in self.digests.items()}


def files_of(model: Path) -> Files:
    """The files of a model, a file or a folder.

    Raises
    ------
    InputError
        There is nothing there.
    """
    if not model.exists():
        raise InputError(f"{shown(model, 300)}: no such file or folder.")
    digests: dict[str, str] = {}
    odd: dict[str, str] = {}
    found = _below(model, odd) if model.is_dir() else {ALONE: model.resolve()}
    for name, path in found.items():
        try:
            digests[name] = _sha256(path)
        except OSError as error:
            odd[name] = f"cannot be read: {reason(error)}"
    return Files(name=model.name or model.resolve().name, digests=digests, odd=odd)


def _below(root: Path, odd: dict[str, str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            odd[folder.relative_to(root).as_posix()] = f"cannot be listed: {reason(error)}"
            continue
        for entry in entries:
            path = folder / entry.name
            name = path.relative_to(root).as_posix()
            if entry.is_symlink():
                odd[name] = "is a link, which is not followed"
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif entry.is_file(follow_symlinks=False):
                found[name] = path
            else:
                odd[name] = "is neither a file nor a folder"
    return dict(sorted(found.items(), key=lambda pair: pair[0].split("/")))


def _sha256(path: Path) -> str:
    # A link or a pipe may have taken the place of the file since it was listed.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "is not a file")
        return hashlib.file_digest(stream, "sha256").hexdigest()
