"""Bezoar's STRIP on a saved network, timed."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from bezoar.core.detector import Suspect
from bezoar.detectors.inputs.strip import Strip
from bezoar.learn import saved
from bezoar.learn.white_box import opened


def main() -> None:
    """Print one JSON object: seconds of judging all inputs, and their scores."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        clean, judged = asked["clean"], asked["judged"]
    model = opened(saved.load(Path(sys.argv[2]), torch.device("cpu")).model)
    suspect = Suspect(model=model, clean=clean, labels=np.zeros(len(clean), dtype=np.int64))
    strip = Strip()
    scorer = strip.scorer(model, strip.fit(suspect, np.random.default_rng(0)))
    scorer(judged[:32])
    start = time.perf_counter()
    scores = scorer(judged)
    seconds = time.perf_counter() - start
    print(
        json.dumps({"seconds": seconds, "passes": strip.passes, "scores": [round(float(score), 6) for score in scores]})
    )


if __name__ == "__main__":
    main()
