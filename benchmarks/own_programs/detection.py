"""Bezoar's spectral signatures and activation clustering on saved features, timed."""

import dataclasses
import json
import sys
import time

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.trace import Trace
from bezoar.engine.scoring import score_rows

DETECTORS = ("spectral_signatures", "activation_clustering")


def main() -> None:
    """Print one JSON object: seconds of each repeat, scores, and how many classes were split in two."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        trace = _trace(asked["features"], asked["labels"])
    seconds = []
    for _ in range(int(sys.argv[2])):
        # A copy shares nothing that an earlier call computed.
        fresh = dataclasses.replace(trace)
        start = time.perf_counter()
        scores = score_rows(fresh, DETECTORS, lambda share: None)
        seconds.append(time.perf_counter() - start)
    spectral, clustering = (scores.by_detector[name] for name in DETECTORS)
    answer = {
        "seconds": seconds,
        "spectral": [round(float(score), 6) for score in spectral],
        "clustering": [round(float(score), 6) for score in clustering],
        "split_classes": len(np.unique(trace.labels[clustering > 0])),
    }
    print(json.dumps(answer))


def _trace(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Trace:
    """A trace of one fold that holds features and nothing else."""
    n, classes = len(labels), int(labels.max()) + 1
    data = Dataset(
        inputs=np.zeros((n, 1, 1, 1), dtype=np.uint8),
        labels=labels,
        classes=tuple(map(str, range(classes))),
        ids=np.arange(n).astype(str),
    )
    return Trace(
        data=data,
        losses=np.zeros((1, n), dtype=np.float32),
        held_out=np.zeros((n, classes), dtype=np.float32),
        features=features,
        fold=np.zeros(n, dtype=np.int64),
    )


if __name__ == "__main__":
    main()
