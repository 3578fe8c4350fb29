"""From failing inputs back to the training rows that taught the model to fail on them, and to their source."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.engine.triage.inputs import Failing, Reference
from bezoar.learn.device import resolve
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel, train
from bezoar.maths.influence import Gradients, traced_influence
from bezoar.maths.stats import Interval, SourceShare, enrichment, wilson

OUTLYING = 4.0
"""Standard deviations by which a row's influence must lead the usual rows of its label to be called a teacher."""
_QUANTILES = 0.1, 0.25
"""Of a label's rows, that tell the usual ones' mean and spread: poison is among the others."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Influence:
    """What training rows did for one mistake.

    Parameters
    ----------
    target : class index that the failing inputs are taken for.
    reproduced : share of them that a model trained here on these rows takes for it as well.
    scores : (n,) by how much each training row of that label helped it more than it helped reference inputs of the class, in
        standard deviations of its usual rows; 0 for rows of other labels.
    taught : (n,) which rows lead by far.
    sources : how the sources stand by those, where there are several.
    """

    target: int
    reproduced: Interval
    scores: NDArray[np.float64]
    taught: NDArray[np.bool_]
    sources: tuple[SourceShare, ...]


def influence(
    data: Dataset, failing: Failing, reference: Reference, target: int, recipe: Recipe, *, seed: int, device: str
) -> Influence:
    """Train a model on the rows and trace what they did for the failing inputs' being taken for a class.

    What they did for reference inputs that are of the class is taken off, both in units of what the usual row of the class
    did: rows that only show the class help both.

    Parameters
    ----------
    data : training rows, with the classes of the model under triage.
    failing : inputs that are taken for `target`.
    """
    honest = reference.images[reference.labels == target]
    own: list[Gradients] = []
    mistaken: list[Gradients] = []
    known: list[Gradients] = []
    rates: list[float] = []

    def look(model: NetworkModel, rate: float) -> None:
        own.append(Gradients.of(*model.predict_with_features(data.images), data.labels))
        for images, kept in ((failing.images, mistaken), (honest, known)):
            aims = np.full(len(images), target, dtype=np.int64)
            kept.append(Gradients.of(*model.predict_with_features(images), aims))
        rates.append(rate)

    generator = torch.Generator().manual_seed(seed)
    model, _ = train(data.images, data.labels, len(data.classes), recipe, generator, device=resolve(device), look=look)
    again = model.predict(failing.images).argmax(axis=1) == target
    labelled = data.labels == target
    scores = np.zeros(len(data))
    scores[labelled] = _standing(
        _in_units(traced_influence(own, mistaken, rates)[labelled])
        - (_in_units(traced_influence(own, known, rates)[labelled]) if len(honest) else 0.0)
    )
    taught = scores >= OUTLYING
    several = data.source is not None and len(np.unique(data.source)) > 1
    return Influence(
        target=target,
        reproduced=wilson(int(again.sum()), len(again)),
        scores=scores,
        taught=taught,
        sources=tuple(enrichment(taught, data.source)) if several and data.source is not None else (),
    )


def _in_units(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of their mean size."""
    return np.asarray(raw / max(float(np.abs(raw).mean()) if len(raw) else 0.0, 1e-12))


def _standing(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) in standard deviations of the usual rows, which lie in the lower part of them."""
    if not len(raw):
        return raw
    low, high = (NormalDist().inv_cdf(share) for share in _QUANTILES)
    least, more = np.quantile(raw, _QUANTILES)
    spread = max(float(more - least) / (high - low), 1e-12)
    return np.asarray((raw - (more - high * spread)) / spread)
