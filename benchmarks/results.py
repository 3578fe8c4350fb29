"""Where results are kept: one JSON line a cell, appended the moment it is done."""

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"

Cell = tuple[str, int, bool]
"""Case, seed, and whether controls ran."""


def file_of(suite: str) -> Path:
    """The results of a suite."""
    return FOLDER / f"{suite}.jsonl"


def append(path: Path, result: dict[str, Any]) -> None:
    """Add one line, whole or not at all: a single write, and a fresh line even after one that a crash cut short."""
    line = json.dumps(result, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            line = line if stream.read(1) == b"\n" else b"\n" + line
        stream.write(line)
        os.fsync(stream.fileno())


def latest(path: Path) -> dict[Cell, dict[str, Any]]:
    """The last result of each cell. A line that a crash cut short is no result."""
    found: dict[Cell, dict[str, Any]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                result = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[result["case"], result["seed"], result["controls"]] = result
    return found
