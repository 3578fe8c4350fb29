"""Runs in ART's own environment: its two detections on saved features, timed.

ART takes no features, only a classifier and its inputs. So it is given a classifier whose feature layer hands its
input on, and what is timed is detection alone.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from art.defences.detector.poison import (  # type: ignore[import-not-found]  # installed in its own environment
    ActivationDefence,
    SpectralSignatureDefense,
)
from art.estimators.classification import PyTorchClassifier  # type: ignore[import-not-found]  # as above


class Saved(torch.nn.Module):
    """A classifier of features. ART reads the layer that was added last."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(width, classes)
        self.features = torch.nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, classes) logits, which nobody reads."""
        logits: torch.Tensor = self.head(self.features(x))
        return logits


def main() -> None:
    """Print one JSON object: seconds of each repeat, rows that are flagged, scores, versions.

    Activation clustering is analysed twice: by default the smaller cluster is the poison. By silhouettes ART asks first,
    as Bezoar does, whether there are two clusters.
    """
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        features, labels, told = asked["features"], asked["labels"], float(asked["share"])
    repeats = int(sys.argv[2])
    classes = int(labels.max()) + 1
    classifier = PyTorchClassifier(
        model=Saved(features.shape[1], classes),
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=features.shape[1:],
        nb_classes=classes,
        device_type="cpu",
    )
    seconds, silhouette_seconds = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        _, spectral = SpectralSignatureDefense(classifier, features, labels).detect_poison()
        report, clustering = ActivationDefence(classifier, features, labels).detect_poison()
        seconds.append(time.perf_counter() - start)
    for _ in range(repeats):
        start = time.perf_counter()
        SpectralSignatureDefense(classifier, features, labels).detect_poison()
        asking = ActivationDefence(classifier, features, labels)
        by_class, silhouette = asking.detect_poison(cluster_analysis="silhouette-scores")
        silhouette_seconds.append(time.perf_counter() - start)
    # The share of poison is what no user knows; without it ART flags half of every class.
    informed = SpectralSignatureDefense(classifier, features, labels, expected_pp_poison=told)
    answer = {
        "seconds": seconds,
        "silhouette_seconds": silhouette_seconds,
        "spectral": _flagged(spectral),
        "spectral_told": _flagged(informed.detect_poison()[1]),
        "scores": _scores(features, labels),
        "clustering": _flagged(clustering),
        "silhouette": _flagged(silhouette),
        "split_classes": int(report["suspicious_clusters"]),
        "silhouette_split_classes": sum(isinstance(each, dict) and each["suspicious"] for each in by_class.values()),
        "versions": {"art": version("adversarial-robustness-toolbox"), "torch": version("torch")},
    }
    print(json.dumps(answer))


def _flagged(clean: list[int]) -> list[int]:
    return np.flatnonzero(np.asarray(clean) == 0).tolist()


def _scores(features: np.ndarray, labels: np.ndarray) -> list[float]:
    scores = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = labels == label
        scores[rows] = SpectralSignatureDefense.spectral_signature_scores(features[rows])[:, 0]
    return [round(float(score), 6) for score in scores]


if __name__ == "__main__":
    main()
