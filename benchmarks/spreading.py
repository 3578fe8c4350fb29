"""Shards on a Ray cluster: whether they give what this process gives, and what they take."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks import programs, sets
from bezoar.core.shards import Spread
from bezoar.engine.scoring import score_rows
from bezoar.engine.shards import spreading
from bezoar.learn.cross_fit import cross_fit
from bezoar.learn.embedding import embed
from bezoar.learn.fitted import CrossFit
from bezoar.learn.picked import Picked
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Spreading:
    """What two networks say of images and what detectors make of it: by two workers of a Ray cluster on this machine, and here.

    The cluster runs and its workers have done it once before the clock starts.

    Parameters
    ----------
    data : name of the set.
    """

    data: str

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Whether all of it is equal to the last digit, and seconds of each."""
        data = sets.load(self.data)
        fit = cross_fit(data, np.random.default_rng(seed), recipe=Recipe(epochs=1))
        with spreading() as threads:
            embedding, scoring, here = _judged(fit, threads)
        with spreading(ray="auto", workers=2) as cluster:
            _judged(fit, cluster)
            embedding_on_ray, scoring_on_ray, there = _judged(fit, cluster)
        return {
            "run": programs.record(),
            "figures": {
                "equal": all(np.array_equal(there[name], found) for name, found in here.items()),
                "embedding_seconds": embedding,
                "scoring_seconds": scoring,
                "embedding_on_ray_seconds": embedding_on_ray,
                "scoring_on_ray_seconds": scoring_on_ray,
            },
        }


def _judged(fit: CrossFit, spread: Spread) -> tuple[float, float, dict[str, NDArray[Any]]]:
    """Seconds of embedding and of scoring, and all that they gave."""
    found: dict[str, NDArray[Any]] = {}
    began = time.perf_counter()
    for number, (model, rows) in enumerate(zip(fit.models, fit.trace.folds(), strict=True)):
        images = Picked(fit.trace.data.images, rows)
        given = embed(cast("NetworkModel", model), images, spread, lambda rows: None)
        found |= {f"held out {number}": given[0], f"features {number}": given[1]}
    embedded = time.perf_counter()
    # A copy shares nothing that was computed before.
    scores = score_rows(dataclasses.replace(fit.trace), None, lambda share: None, spread=spread)
    return embedded - began, time.perf_counter() - embedded, found | scores.by_detector
