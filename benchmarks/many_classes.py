"""Label errors among very many classes: Bezoar and cleanlab on the same out-of-fold probabilities."""

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers, programs

ROUNDS = 3
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyClasses:
    """Made-up probabilities with a known share of wrong labels, judged by both in processes that take turns.

    Parameters
    ----------
    rows, classes : of the probabilities.
    wrong : share of labels that were drawn anew.
    """

    rows: int = 50_000
    classes: int = 1_000
    wrong: float = 0.05

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Median seconds, peak memory of the process, and the flags of both."""
        programs.share_cores()
        probabilities, labels, changed = self.drawn(np.random.default_rng((seed, 3)))
        own, peer = [], []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "probabilities.npz"
            np.savez(file, probabilities=probabilities, labels=labels)
            for _ in range(ROUNDS):
                own.append(programs.own("labels", file))
                peer.append(peers.ask("cleanlab", "cleanlab_labels", file))
        seconds = {
            "seconds": statistics.median(answer["seconds"] for answer in own),
            "score_seconds": statistics.median(answer["score_seconds"] for answer in own),
            "cleanlab_seconds": statistics.median(answer["seconds"] for answer in peer),
            "cleanlab_batched_seconds": statistics.median(answer["batched_seconds"] for answer in peer),
        }
        return {
            "run": programs.record(),
            "peers": {"cleanlab": peer[0]["version"]},
            "figures": seconds
            | {
                "of_cleanlab": seconds["seconds"] / seconds["cleanlab_seconds"],
                "of_cleanlab_batched": seconds["seconds"] / seconds["cleanlab_batched_seconds"],
                "peak_mib": max(answer["peak_bytes"] for answer in own) / MIB,
                "cleanlab_peak_mib": max(answer["peak_bytes"] for answer in peer) / MIB,
            }
            | _rates("", own[0]["flagged"], changed)
            | _rates("cleanlab_", peer[0]["flagged"], changed),
        }

    def drawn(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
        """Probabilities (rows, classes), labels (rows,), and (rows,) which of the labels are wrong."""
        true = rng.integers(self.classes, size=self.rows)
        logits = rng.standard_normal((self.rows, self.classes), dtype=np.float32)
        # Of a thousand classes a typical row gets a little over half of the mass on its own.
        logits[np.arange(self.rows), true] += rng.normal(np.log(self.classes) + 0.7, 1.5, self.rows)
        probabilities = np.exp(logits)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        labels = true.copy()
        moved = rng.choice(self.rows, round(self.wrong * self.rows), replace=False)
        labels[moved] = (true[moved] + rng.integers(1, self.classes, len(moved))) % self.classes
        return probabilities, labels, labels != true


def _rates(name: str, rows: list[int], changed: NDArray[np.bool_]) -> dict[str, float]:
    flagged = np.zeros(len(changed), dtype=bool)
    flagged[rows] = True
    return {f"{name}tpr": float(flagged[changed].mean()), f"{name}fpr": float(flagged[~changed].mean())}
