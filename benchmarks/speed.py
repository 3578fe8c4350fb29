"""Seconds that a person waits."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import sets
from bezoar.data import write
from bezoar.report import document

REPEATS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeAudit:
    """`bezoar audit data` in a fresh process, from reading the file to the written report.

    Parameters
    ----------
    data : name of the set.
    """

    data: str

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds of the process, and of its stages."""
        with tempfile.TemporaryDirectory() as folder:
            file = write(sets.load(self.data), Path(folder) / "data")
            out = Path(folder) / "report"
            options = ["--controls" if controls else "--no-controls", "--seed", str(seed), "--quiet"]
            seconds = _seconds([_program(), "audit", "data", str(file), "--out", str(out), *options], statuses=(0, 1))
            run = json.loads(document.dump(document.load(out)))["run"]
        return {"run": run, "figures": {"seconds": seconds, "audit_seconds": run["seconds"]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUp:
    """How long it takes to import the package and to see the help, each in fresh processes."""

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Medians over fresh processes, the interpreter's own start included."""
        commands = {
            "import_seconds": [sys.executable, "-c", "import bezoar"],
            "help_seconds": [_program(), "--help"],
            "python_seconds": [sys.executable, "-c", "pass"],
        }
        return {
            "figures": {
                name: statistics.median(_seconds(command) for _ in range(REPEATS)) for name, command in commands.items()
            }
        }


def _program() -> str:
    return str(Path(sys.executable).with_name("bezoar"))


def _seconds(command: list[str], *, statuses: tuple[int, ...] = (0,)) -> float:
    """Seconds of a process. Raises ``CalledProcessError`` where it ends in another status."""
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - start
    if done.returncode not in statuses:
        raise subprocess.CalledProcessError(done.returncode, command)
    return seconds
