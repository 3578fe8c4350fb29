"""Which version of the code measured a cell: a digest over the sources that decide its result."""

import hashlib
import inspect
from collections.abc import Iterable
from pathlib import Path

from bezoar.core.digest import framed

ROOMS = ("core", "maths", "data", "learn", "attacks", "detectors", "mitigations", "engine")
"""Rooms above these only show results: what changes there leaves every cell as it was."""


def package_code() -> str:
    """SHA-256 over the names and contents of Bezoar's own sources, up to the engine's floor."""
    root = Path(__file__).parents[2]
    files = sorted(path for room in ROOMS for path in (root / room).rglob("*.py"))
    parts = (part for path in files for part in (path.relative_to(root).as_posix().encode(), path.read_bytes()))
    return hashlib.sha256(framed(parts)).hexdigest()


def code_of(package: str, methods: Iterable[type]) -> str:
    """SHA-256 over :func:`package_code`, which is `package`, and the modules of those methods that come from elsewhere."""
    files = {
        Path(file)
        for method in methods
        if not method.__module__.startswith("bezoar.") and (file := inspect.getsourcefile(method))
    }
    if not files:
        return package
    parts = (package.encode(), *(path.read_bytes() for path in sorted(files)))
    return hashlib.sha256(framed(parts)).hexdigest()
