"""Bezoar's spectral signatures and activation clustering on saved features, timed."""

import dataclasses
import json
import sys
import time

import numpy as np

from benchmarks import traces
from bezoar.engine.scoring import score_rows

DETECTORS = ("spectral_signatures", "activation_clustering")


def main() -> None:
    """Print one JSON object: seconds of each repeat, scores, and how many classes were split in two."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        trace = traces.bare(asked["labels"], int(asked["labels"].max()) + 1, features=asked["features"])
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


if __name__ == "__main__":
    main()
