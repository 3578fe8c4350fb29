"""Confident learning and the judgement of labels on saved out-of-fold probabilities, timed."""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import traces
from bezoar.detectors.rows.confident_learning import ConfidentLearning
from bezoar.engine.labels import judge_labels
from bezoar.learn.fitted import CrossFit


def main() -> None:
    """Print one JSON object: seconds of the score and of the whole, rows that are flagged, peak memory."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        logs = np.log(asked["probabilities"])
        trace = traces.bare(asked["labels"], logs.shape[1], held_out=logs)
    start = time.perf_counter()
    scores = {"confident_learning": ConfidentLearning().score(trace)}
    scored = time.perf_counter()
    labels = judge_labels(CrossFit(trace=trace, models=()), scores, np.zeros(len(trace.data), dtype=bool))
    answer = {
        "seconds": time.perf_counter() - start,
        "score_seconds": scored - start,
        "flagged": np.flatnonzero(labels.flagged).tolist(),
        "peak_bytes": _peak_bytes(),
    }
    print(json.dumps(answer))


def _peak_bytes() -> int:
    """The most memory that this process held; 0 where the system doesn't say."""
    status = Path("/proc/self/status")
    peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(peak[1]) * 1024 if peak else 0


if __name__ == "__main__":
    main()
