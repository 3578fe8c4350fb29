"""cleanlab, run in an environment of its own: a peer to be measured against is no dependency."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bezoar.core.errors import BezoarError

HERE = Path(__file__).parent
ENVIRONMENT = HERE / ".peers" / "cleanlab"
REQUIREMENTS = ("cleanlab>=2.9,<3", "numpy")
"""Versions below 2.8 are under another licence."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """What cleanlab says of given labels.

    Parameters
    ----------
    quality : (n,) by scoring method, lower is more likely wrong.
    issues : (n,) bool, rows that its default filter calls mislabelled.
    version : of cleanlab.
    """

    quality: dict[str, NDArray[np.float64]]
    issues: NDArray[np.bool_]
    version: str


def cleanlab(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Verdict:
    """Ask cleanlab about labels, given out-of-fold probabilities (n, k).

    Raises
    ------
    BezoarError
        Its environment cannot be made, or it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "asked.npz"
        np.savez(file, probabilities=probabilities, labels=labels)
        answer = json.loads(_run([str(_python()), str(HERE / "peer_cleanlab.py"), str(file)]))
    return Verdict(
        quality={name: np.asarray(values) for name, values in answer["quality"].items()},
        issues=np.asarray(answer["issues"], dtype=bool),
        version=answer["version"],
    )


def _python() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    ready = ENVIRONMENT / ".ready"
    if not ready.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS])
        ready.touch()
    return python


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BezoarError(f"cleanlab: {' '.join(command[:4])} ended with status {done.returncode}: {last}")
    return done.stdout
