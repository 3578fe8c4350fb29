"""Runs in ART's own environment: what its user and cleanlab's would do with a suspect training set, timed part by part.

Train a network through ART, run ART's two detections on it, train the same network on three folds for out-of-fold
probabilities, and let cleanlab judge the labels by them.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from art.defences.detector.poison import (  # type: ignore[import-not-found]  # installed in its own environment
    ActivationDefence,
    SpectralSignatureDefense,
)
from art.estimators.classification import PyTorchClassifier  # type: ignore[import-not-found]  # as above
from cleanlab.filter import find_label_issues  # type: ignore[import-not-found]  # as above
from sklearn.model_selection import StratifiedKFold
from torch import nn

FOLDS = 3
BATCH = 128
LAYERS = ((32, 2, False), (48, 1, True), (96, 1, False), (128, 2, False))
"""Of Bezoar's own network for images of this size: channels, stride, whether the size is halved after it."""


class Network(nn.Module):
    """A small conv net. ART reads the layer that was added last: the features, where the body comes after the head."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for width, stride, halved in LAYERS:
            parts += [nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width)]
            parts += [nn.ReLU(inplace=True), *([nn.MaxPool2d(2)] if halved else [])]
            channels = width
        self.head = nn.Linear(channels, classes)
        self.body = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, classes) logits of images (n, channels, h, w)."""
        logits: torch.Tensor = self.head(self.body(x))
        return logits


def main() -> None:
    """Print one JSON object: seconds of each part, accuracy on test rows, rows that are flagged, versions."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        arrays = dict(asked)
    epochs, seed = int(sys.argv[2]), int(sys.argv[3])
    images, labels = _scaled(arrays["images"]), arrays["labels"]
    torch.manual_seed(seed)
    np.random.seed(seed)
    seconds: dict[str, float] = {}

    start = time.perf_counter()
    classifier = _fitted(images, labels, epochs)
    seconds["fit"] = time.perf_counter() - start

    start = time.perf_counter()
    _, spectral = SpectralSignatureDefense(classifier, images, labels).detect_poison()
    seconds["spectral"] = time.perf_counter() - start

    start = time.perf_counter()
    _, clustering = ActivationDefence(classifier, images, labels).detect_poison()
    seconds["clustering"] = time.perf_counter() - start

    start = time.perf_counter()
    probabilities = np.empty((len(labels), int(labels.max()) + 1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, unseen in folds.split(labels, labels):
        logits = _fitted(images[seen], labels[seen], epochs).predict(images[unseen])
        probabilities[unseen] = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    seconds["folds"] = time.perf_counter() - start

    start = time.perf_counter()
    issues = find_label_issues(labels, probabilities, n_jobs=1)
    seconds["cleanlab"] = time.perf_counter() - start

    predicted = classifier.predict(_scaled(arrays["test_images"])).argmax(axis=1)
    answer = {
        "seconds": seconds,
        "accuracy": float((predicted == arrays["test_labels"]).mean()),
        "spectral": _flagged(spectral),
        "clustering": _flagged(clustering),
        "cleanlab": np.flatnonzero(issues).tolist(),
        "versions": {
            "art": version("adversarial-robustness-toolbox"),
            "cleanlab": version("cleanlab"),
            "torch": version("torch"),
        },
    }
    print(json.dumps(answer))


def _fitted(images: np.ndarray, labels: np.ndarray, epochs: int) -> Any:
    network = Network(images.shape[1], int(labels.max()) + 1)
    classifier = PyTorchClassifier(
        model=network,
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(network.parameters(), lr=1e-3),
        input_shape=images.shape[1:],
        nb_classes=int(labels.max()) + 1,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    classifier.fit(images, labels, batch_size=BATCH, nb_epochs=epochs)
    return classifier


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255


def _flagged(clean: list[int]) -> list[int]:
    return np.flatnonzero(np.asarray(clean) == 0).tolist()


if __name__ == "__main__":
    main()
