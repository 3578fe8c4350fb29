"""Detection alone: Bezoar and ART on the same saved features."""

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers, programs, trainings
from benchmarks.planting import planted
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.maths.stats import auroc

ROUNDS = 3
REPEATS = 3
"""Calls in each process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Spectral signatures and activation clustering of both, in processes that take turns.

    The features come from the default network, trained once on the set. ART's share of poison is left at its default;
    its second verdict is told the true share, or 1 % where there is none. Its activation clustering is also asked to
    look at silhouettes, which is the question that Bezoar's answers.

    Parameters
    ----------
    data : name of the set.
    attack : what is planted; nothing where None.
    """

    data: str
    attack: BadNets | Blended | None = None

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds of both, and what both make of the poison."""
        programs.share_cores()
        data, changed = planted(self.data, self.attack, seed)
        features = trainings.trained(data, seed).features(data.images)
        own, peer, alone = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "features.npz"
            np.savez(file, features=features, labels=data.labels, share=changed.mean() or 0.01)
            for _ in range(ROUNDS):
                own.append(programs.own("detection", file, str(REPEATS)))
                peer.append(peers.ask("art", "art_detection", file, str(REPEATS)))
                # Threads that split small matrices may wait for each other more than they work.
                alone.append(peers.ask("art", "art_detection", file, str(REPEATS), threads=1))
        seconds = {
            "bezoar": _seconds(own, "seconds"),
            "art": _seconds(peer, "seconds"),
            "art, 1 thread": _seconds(alone, "seconds"),
            "art by silhouettes": _seconds(peer, "silhouette_seconds"),
            "art by silhouettes, 1 thread": _seconds(alone, "silhouette_seconds"),
        }
        return {
            "run": programs.record(data),
            "peers": peer[0]["versions"],
            "seconds_of_each_call": seconds,
            "figures": timing(seconds) | quality(own[0], peer[0], changed),
        }


def timing(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Medians, and how many times as fast we are as the peer where it is faster: on all threads or on one alone."""
    medians = {name: statistics.median(calls) for name, calls in seconds.items()}
    own = medians["bezoar"]
    default, silhouettes = (min(medians[name], medians[f"{name}, 1 thread"]) for name in ("art", "art by silhouettes"))
    return {
        "seconds": own,
        "art_seconds": default,
        "faster": default / own,
        "art_silhouette_seconds": silhouettes,
        "faster_than_silhouettes": silhouettes / own,
    }


def quality(own: Mapping[str, Any], peer: Mapping[str, Any], changed: NDArray[np.bool_]) -> dict[str, float]:
    """Shares of poisoned and of other rows that each flags; of ours at as many false alarms as the peer raises."""
    figures = {"split_classes": own["split_classes"], "art_split_classes": peer["split_classes"]}
    figures["art_silhouette_split_classes"] = peer["silhouette_split_classes"]
    for name in ("spectral", "spectral_told", "clustering", "silhouette"):
        flagged = np.zeros(len(changed), dtype=bool)
        flagged[peer[name]] = True
        fpr = float(flagged[~changed].mean())
        figures[f"art_{name}_fpr"] = fpr
        if changed.any():
            score = np.asarray(own["spectral" if name.startswith("spectral") else "clustering"])
            figures[f"art_{name}_tpr"] = float(flagged[changed].mean())
            figures[f"{name}_tpr"] = tpr_within(score, changed, fpr)
    if changed.any():
        figures["spectral_auroc"] = auroc(np.asarray(own["spectral"]), changed)
        figures["art_spectral_auroc"] = auroc(np.asarray(peer["scores"]), changed)
    return figures


def tpr_within(score: NDArray[np.float64], changed: NDArray[np.bool_], fpr: float) -> float:
    """Share of the poisoned rows that score above the threshold that this share of the others reaches at most.

    Rows with equal scores are flagged together, so the realised share of false alarms may be less than `fpr`.
    """
    others = np.sort(score[~changed])[::-1]
    allowed = int(np.floor(fpr * len(others) + 1e-9))
    if allowed >= len(others):
        return 1.0
    return float((score[changed] > others[allowed]).mean())


def _seconds(answers: list[dict[str, Any]], name: str) -> list[float]:
    return [seconds for answer in answers for seconds in answer[name]]
