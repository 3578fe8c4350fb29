"""The peers, each run in an environment of its own: what is measured against is no dependency."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import programs
from bezoar.core.errors import UnknownNameError

FOLDER = Path(__file__).parent / ".peers"
PROGRAMS = Path(__file__).parent / "peer_programs"
REQUIREMENTS = {
    # Versions below 2.8 are under another licence.
    "cleanlab": ("cleanlab>=2.9,<3", "numpy"),
    # Its wheel imports packaging, pillow, tqdm and requests without asking for them. torch is pinned as Bezoar's is.
    "art": (
        "adversarial-robustness-toolbox==1.20.1",
        "cleanlab==2.9.0",
        "torch==2.13.0",
        "packaging",
        "pillow",
        "requests",
        "tqdm",
    ),
    "picklescan": ("picklescan==1.0.5", "numpy"),
    "modelscan": ("modelscan==0.8.8", "numpy", "h5py"),
    # Its wheel imports typing_extensions without asking for it.
    "fickling": ("fickling==0.1.12", "typing_extensions", "numpy"),
    "modelaudit": ("modelaudit==0.2.54", "numpy", "h5py", "onnx"),
}
"""What each environment holds; "art" has cleanlab as well, for totals over both."""


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
        answer = ask("cleanlab", "cleanlab_verdict", file)
    return Verdict(
        quality={name: np.asarray(values) for name, values in answer["quality"].items()},
        issues=np.asarray(answer["issues"], dtype=bool),
        version=answer["version"],
    )


def ask(name: str, program: str, file: Path, *options: str, threads: int | None = None) -> dict[str, Any]:
    """What a program of `peer_programs` answers about an npz, in the environment of this peer.

    Parameters
    ----------
    threads : for its arithmetic; as many as this process has where None.

    Raises
    ------
    UnknownNameError
        No such peer.
    BezoarError
        Its environment cannot be made, or it fails.
    """
    return programs.run([str(environment(name)), str(PROGRAMS / f"{program}.py"), str(file), *options], threads=threads)


def is_ready(name: str) -> bool:
    """Whether the environment of this peer is there and holds what it should."""
    ready = FOLDER / name / ".ready"
    return ready.is_file() and ready.read_text(encoding="utf-8") == _wanted(name)


def environment(name: str) -> Path:
    """The Python of a peer's environment, which is made where it is not there or holds something else.

    Parameters
    ----------
    name : a key of :data:`REQUIREMENTS`.

    Raises
    ------
    UnknownNameError
        No such peer.
    BezoarError
        It cannot be made.
    """
    if name not in REQUIREMENTS:
        raise UnknownNameError(f"no peer {name!r}. There are: {', '.join(REQUIREMENTS)}.")
    folder = FOLDER / name
    python = folder / "bin" / "python"
    if not is_ready(name):
        programs.output([sys.executable, "-m", "venv", "--clear", str(folder)])
        programs.output(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS[name]]
        )
        (folder / ".ready").write_text(_wanted(name), encoding="utf-8")
    return python


def _wanted(name: str) -> str:
    return "\n".join(REQUIREMENTS[name])
