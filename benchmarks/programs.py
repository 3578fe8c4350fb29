"""Runs one side of a comparison: a small program in a process of its own, fed by an npz, answering in JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from bezoar.core.data import Dataset
from bezoar.core.errors import BezoarError
from bezoar.engine.record import hardware, versions

ROOT = Path(__file__).parent.parent
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CORES = 2
"""Both sides get as many threads, and the same cores where the system can bind a process to them."""


def own(program: str, file: Path, *options: str) -> dict[str, Any]:
    """What a program of `own_programs` answers about an npz. Raises as :func:`run` does."""
    return run([sys.executable, "-m", f"benchmarks.own_programs.{program}", str(file), *options])


def run(command: list[str], *, threads: int | None = None) -> dict[str, Any]:
    """What a program answers: the JSON object on the last line that it prints. Raises as :func:`output` does."""
    answer: dict[str, Any] = json.loads(output(command, threads=threads).splitlines()[-1])
    return answer


def output(command: list[str], *, threads: int | None = None) -> str:
    """What a command prints, with so many threads for its arithmetic, or as many as this process has.

    Raises
    ------
    BezoarError
        It ends in another status than 0.
    """
    environment = dict(os.environ) | ({} if threads is None else dict.fromkeys(_THREADS, str(threads)))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BezoarError(f"{' '.join(command[:4])} ended with status {done.returncode}: {last}")
    return done.stdout


def share_cores() -> None:
    """Bind this process, and all that it starts, to the first cores, with a thread for each."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    os.environ.update(dict.fromkeys(_THREADS, str(CORES)))


def record(data: Dataset | None = None, device: torch.device | None = None) -> dict[str, Any]:
    """What both sides ran on: hardware, versions of Bezoar's libraries, threads, digest of the data."""
    return {
        "hardware": hardware(device or torch.device("cpu")),
        "versions": versions(),
        "threads": CORES,
        "digests": {} if data is None else {"data": data.merkle_root},
    }
