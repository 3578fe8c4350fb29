"""A whole audit beside what users of the peers do instead: train, detect twice, train on three folds, judge labels."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers, programs, sets
from benchmarks.planting import planted
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.core.errors import InputError
from bezoar.learn.recipe import default_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditBesidePeers:
    """Audit without controls, and the peers on the same rows, for as many epochs.

    Who goes first changes with the seed.

    Parameters
    ----------
    data : name of the set, one with test rows.
    attack : what is planted; nothing where None.
    """

    data: str
    attack: BadNets | Blended | None = None

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds of both, accuracy of what was trained, and the rows that each flags."""
        programs.share_cores()
        data, changed = planted(self.data, self.attack, seed)
        test = sets.held_out(self.data)
        if test is None:
            raise InputError(f"{self.data}: has no test rows to compare accuracy on.")
        epochs = default_recipe(len(data)).epochs
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "data.npz"
            np.savez(file, images=data.images, labels=data.labels, test_images=test.images, test_labels=test.labels)
            if seed % 2:
                peer = peers.ask("art", "art_audit", file, str(epochs), str(seed))
            own = programs.own("audit", file, str(seed))
            if not seed % 2:
                peer = peers.ask("art", "art_audit", file, str(epochs), str(seed))
        return {
            "run": programs.record(data) | {"epochs": epochs},
            "report": own["report"],
            "peers": peer["versions"],
            "figures": timing(own, peer) | flags(own, peer, changed),
        }


def timing(own: Mapping[str, Any], peer: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of the whole and of its parts, ratios, and accuracies."""
    parts: dict[str, float] = peer["seconds"]
    detection = parts["spectral"] + parts["clustering"]
    return {
        "seconds": own["seconds"],
        "peers_seconds": sum(parts.values()),
        "share_of_peers_seconds": own["seconds"] / sum(parts.values()),
        "accuracy": own["accuracies"]["single"],
        "accuracy_together": own["accuracies"]["together"],
        "peers_accuracy": peer["accuracy"],
        "accuracy_lead": own["accuracies"]["single"] - peer["accuracy"],
        "detection_seconds": own["detection_seconds"],
        "art_detection_seconds": detection,
        "detection_faster": detection / own["detection_seconds"],
        "art_fit_seconds": parts["fit"],
        "folds_seconds": parts["folds"],
        "cleanlab_seconds": parts["cleanlab"],
    }


def flags(own: Mapping[str, Any], peer: Mapping[str, Any], changed: NDArray[np.bool_]) -> dict[str, float]:
    """Shares of the poisoned and of the other rows that each flags, at its defaults."""
    figures = {}
    for name, rows in (
        ("", own["flagged"]),
        ("art_spectral_", peer["spectral"]),
        ("art_clustering_", peer["clustering"]),
        ("cleanlab_", peer["cleanlab"]),
    ):
        flagged = np.zeros(len(changed), dtype=bool)
        flagged[rows] = True
        if changed.any():
            figures[f"{name}tpr"] = float(flagged[changed].mean())
        figures[f"{name}fpr"] = float(flagged[~changed].mean())
    return figures
