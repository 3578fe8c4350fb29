"""What a grid planned and what came of it: the types, and the folder that keeps them."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from bezoar.core.errors import InputError, OutputError
from bezoar.core.files import write_text

GRID, RESULTS, RUNS, TABLE = "grid.json", "results.jsonl", "runs.jsonl", "results.parquet"
FIGURES = {
    "auroc": "AUROC",
    "ap": "average precision",
    "tpr_at_fpr1": "TPR at an FPR of 1 %",
    "tpr": "TPR",
    "fpr": "FPR",
    "precision": "precision",
    "asr": "ASR",
    "accuracy": "clean accuracy",
}
"""Figures of built-in cells, all shares in [0, 1]. A detector's ranking has the first three, the detector "audit" also
the next three (of its flags), the detector "training" the last two."""
TRAINING, AUDIT = "training", "audit"
"""Detectors by name that are none: the poisoned training itself, and the whole audit without controls."""
UNTOUCHED = "none"
"""The attack by name that changes nothing: the control."""

_MOST_BYTES = 512 * 2**20
Record = TypeVar("Record")
Status = Literal["done", "failed", "not_applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One thing to measure.

    Parameters
    ----------
    kind : of work, see :mod:`bezoar.engine.grids.kinds`.
    attack, attack_settings : name and all hyperparameters, but for the rate. "none" is the untouched control.
    data, data_digest : the set as it was named, and its Merkle root.
    rate : share of rows that is poisoned; None where the attack takes none.
    seed : decides the poisoned rows, folds and weights.
    detector, detector_settings : name and all hyperparameters. "training" and "audit" are none of the registry.
    recipe : how networks are trained; empty for tables, which have a model of their own.
    attack_label, detector_label : for people: the name, with the hyperparameters that differ from their defaults.
    """

    kind: str = "rows"
    attack: str
    attack_settings: Mapping[str, Any] = field(default_factory=dict)
    data: str
    data_digest: str = ""
    rate: FiniteFloat | None
    seed: int
    detector: str
    detector_settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    attack_label: str = ""
    detector_label: str = ""

    @property
    def identity(self) -> str:
        """SHA-256 of what is measured, whatever the code: equal cells of two grids have it in common."""
        return digest(self._facts())

    @property
    def row(self) -> str:
        """SHA-256 of the row that the cell belongs to: the cells of a row share one training."""
        return digest({name: value for name, value in self._facts().items() if not name.startswith("detector")})

    def _facts(self) -> dict[str, Any]:
        facts = asdict(self)
        # The same rows under another file name are the same rows.
        dropped = ("attack_label", "detector_label", *(("data",) if self.data_digest else ()))
        return {name: value for name, value in facts.items() if name not in dropped}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A figure with its 95 % interval and the number of rows (or classes, clients ...) that it rests on.

    ``value`` is None where there is none, and ``reason`` says why: it never stands for a number.
    """

    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    n: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a cell.

    Parameters
    ----------
    key : content address, see :func:`key`.
    status, reason : how it ended, and why where it is not "done".
    figures : by name, see :data:`FIGURES`. Empty unless "done".
    seconds : that it took; for the detector "training" those of poisoning and training.
    changed, rows : how many rows the attack changed, and of how many.
    run : identifier of the run record.
    """

    cell: Cell
    key: str
    status: Status
    reason: str = ""
    figures: Mapping[str, Measured] = field(default_factory=dict)
    seconds: FiniteFloat = 0.0
    changed: int | None = None
    rows: int | None = None
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One start of the driver. Written when it starts, and again when it ends.

    Parameters
    ----------
    id : unique.
    started, seconds : when, and for how long; None where it never ended by itself.
    ended : "done", "stopped", "failed", or "" where it was killed (or still runs).
    code : digest of Bezoar's sources, see :mod:`bezoar.engine.grids.code`.
    executor : "local" or "ray", and with how many workers.
    cells : how many were left to measure when it started.
    """

    id: str
    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    started: str
    seconds: FiniteFloat | None = None
    ended: str = ""
    code: str = ""
    executor: str = ""
    workers: int = 1
    cells: int = 0
    seeds: tuple[int, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a folder holds.

    Parameters
    ----------
    name : of the folder.
    planned : the cells of the last grid by key, in its order.
    results : the last result of each planned cell that has one, by key.
    runs : the run records, oldest first.
    """

    name: str
    planned: Mapping[str, Cell]
    results: Mapping[str, Result]
    runs: tuple[Run, ...] = ()

    @property
    def missing(self) -> tuple[Cell, ...]:
        """Planned cells of which nothing is known."""
        return tuple(cell for key, cell in self.planned.items() if key not in self.results)

    def ended(self, status: Status) -> tuple[Result, ...]:
        """The results with this status, in the grid's order."""
        return tuple(
            self.results[key] for key in self.planned if key in self.results and self.results[key].status == status
        )


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def key(cell: Cell, code: str) -> str:
    """Content address of a cell under a version of the code: equal keys mean equal results."""
    return digest({"cell": cell.identity, "code": code})


def read_results(folder: Path) -> Results:
    """What the folder of a grid holds. A line that a crash cut short is none: its cell is missing.

    Raises
    ------
    InputError
        No grid there, or something that is none.
    """
    planned = _read_grid(folder / GRID)
    known = {result.key: result for result in read_lines(folder / RESULTS, Result) if result.key in planned}
    runs = {run.id: run for run in read_lines(folder / RUNS, Run)}
    return Results(name=folder.name, planned=planned, results=known, runs=tuple(runs.values()))


def write_grid(folder: Path, planned: Mapping[str, Cell]) -> Path:
    """Write which cells there shall be."""
    cells = [{"key": name, **asdict(cell)} for name, cell in planned.items()]
    return write_text(folder / GRID, json.dumps({"cells": cells}, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def append(path: Path, records: Iterable[Result] | Iterable[Run]) -> None:
    """Add a line for each record, whole or not at all, and see it on the disk before coming back.

    What a crash left of a line is cut off first. Only one process may write to a file at a time.

    Raises
    ------
    OutputError
        It cannot be written. The file is as it was.
    """
    lines = b"".join(
        json.dumps(asdict(record), ensure_ascii=False, allow_nan=False).encode() + b"\n" for record in records
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+", buffering=0) as stream:
            whole = _whole(stream.fileno())
            stream.truncate(whole)
            try:
                written = 0
                while written < len(lines):
                    written += stream.write(lines[written:]) or 0
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(whole)
                raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}.") from error


def read_lines(path: Path, kind: type[Record]) -> list[Record]:
    """The records of a file of JSON lines; none where there is no such file. Damaged lines are left out."""
    if not path.exists():
        return []
    adapter, found = TypeAdapter(kind), []
    for line in _bytes(path).splitlines():
        try:
            found.append(adapter.validate_json(line))
        except ValidationError:
            continue
    return found


def _whole(descriptor: int) -> int:
    """How many bytes the whole lines of a file take."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - 65_536)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _read_grid(path: Path) -> dict[str, Cell]:
    try:
        listed = json.loads(_bytes(path))["cells"]
        keys = [str(entry.pop("key")) for entry in listed]
        cells = TypeAdapter(list[Cell]).validate_python(listed)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not the plan of a grid: {str(error).splitlines()[0]}.") from error
    return dict(zip(keys, cells, strict=True))


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"{path}: {size:,} bytes is over the limit of {_MOST_BYTES:,}.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error
