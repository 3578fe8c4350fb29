"""Runs in cleanlab's own environment: its filter on saved out-of-fold probabilities, whole and by batches, timed."""

import json
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from cleanlab.experimental.label_issues_batched import (  # type: ignore[import-not-found]  # in its own environment
    find_label_issues_batched,
)
from cleanlab.filter import find_label_issues  # type: ignore[import-not-found]  # as above


def main() -> None:
    """Print one JSON object: seconds of both ways, rows that the filter flags, peak memory after it, version."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        labels, probabilities = asked["labels"], asked["probabilities"]
    start = time.perf_counter()
    issues = find_label_issues(labels, probabilities, n_jobs=1)
    seconds = time.perf_counter() - start
    peak = _peak_bytes()
    start = time.perf_counter()
    find_label_issues_batched(labels, probabilities, n_jobs=1, verbose=False)
    answer = {
        "seconds": seconds,
        "batched_seconds": time.perf_counter() - start,
        "flagged": np.flatnonzero(issues).tolist(),
        "peak_bytes": peak,
        "version": version("cleanlab"),
    }
    print(json.dumps(answer))


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(peak[1]) * 1024 if peak else 0


if __name__ == "__main__":
    main()
