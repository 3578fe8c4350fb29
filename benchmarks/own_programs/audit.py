"""A whole audit without controls, timed, and how accurate the networks are that it trained."""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import audits
from benchmarks.own_programs.detection import DETECTORS
from bezoar.core.data import Dataset
from bezoar.engine.scoring import score_rows
from bezoar.learn.fitted import CrossFit


def main() -> None:
    """Print one JSON object: seconds, accuracy of each network on test rows, rows that are flagged, the run record."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        arrays = dict(asked)
    seed = int(sys.argv[2])
    data = Dataset(
        inputs=arrays["images"],
        labels=arrays["labels"],
        classes=tuple(map(str, range(int(arrays["labels"].max()) + 1))),
        ids=np.arange(len(arrays["labels"])).astype(str),
    )
    # Writing checkpoints is in the seconds. They give the networks back, which an audit does not keep.
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        report = audits.run(data, seed, controls=False, checkpoints=Path(folder))
        seconds = time.perf_counter() - start
        fit = audits.fitted(data, report, seed, Path(folder))
    start = time.perf_counter()
    score_rows(fit.trace, DETECTORS, lambda share: None)
    detection = time.perf_counter() - start
    answer = {
        "seconds": seconds,
        "detection_seconds": detection,
        "accuracies": _accuracies(fit, arrays["test_images"], arrays["test_labels"]),
        "flagged": np.flatnonzero(audits.flagged(report)).tolist(),
        "report": audits.kept(report),
    }
    print(json.dumps(answer))


def _accuracies(fit: CrossFit, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, float]:
    """Of each network alone on average, and of both together."""
    predictions = [model.predict(images) for model in fit.models]
    single = [float((each.argmax(axis=1) == labels).mean()) for each in predictions]
    both = np.mean(predictions, axis=0).argmax(axis=1)
    return {"single": float(np.mean(single)), "together": float((both == labels).mean())}


if __name__ == "__main__":
    main()
