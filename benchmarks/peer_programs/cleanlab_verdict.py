"""Runs in cleanlab's own environment: reads an npz of probabilities and labels, prints its verdict as JSON."""

import json
import sys
from importlib.metadata import version

import numpy as np
from cleanlab.filter import find_label_issues  # type: ignore[import-not-found]  # installed in its own environment
from cleanlab.rank import get_label_quality_scores  # type: ignore[import-not-found]  # as above


def main() -> None:
    """Print one JSON object: quality by method, issues, version."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        labels, probabilities = asked["labels"], asked["probabilities"]
    quality = {
        method: get_label_quality_scores(labels, probabilities, method=method).tolist()
        for method in ("self_confidence", "normalized_margin")
    }
    issues = find_label_issues(labels, probabilities, n_jobs=1)
    print(json.dumps({"quality": quality, "issues": issues.tolist(), "version": version("cleanlab")}))


if __name__ == "__main__":
    main()
