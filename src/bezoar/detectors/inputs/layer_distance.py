"""Layer distance: inputs that a network's layers answer as they answer no clean input of the class that it gives."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Level, Validated
from bezoar.detectors.inputs.layers import activations, answers, pooled
from bezoar.detectors.inputs.passing import by_batches, opened_box
from bezoar.maths.discriminant import whitened

_LEAST = 1e-9
_FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDistance(Validated):
    """How far, layer by layer, the network's answers lie from those to clean inputs of the class that it gives.

    A network that learned a trigger answers to it, also where it is so faint that the content is seen as well: in directions
    in which clean inputs do not differ.

    Known limits: triggers that change the content rather than add to it (warps), which layer disagreement is made for; and
    whatever else clean inputs do not show, such as noise, is as far away.
    Departures from the paper: one pass without the small step that draws inputs nearer; the layers weigh the same, each in
    units of what is usual among clean inputs that its distribution was not fitted to, while the paper learns weights from
    attacks.

    Parameters
    ----------
    layers : convolutions that are looked at at most, spread evenly.
    shrinkage : weight of a sphere in the covariance of each layer, in (0, 1).

    References
    ----------
    Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial attacks", NeurIPS
    2018, sections 2.1 and 2.2.
    """

    layers: Count = 8
    shrinkage: Level = 0.1

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One."""
        return 1

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """For each layer the distributions of its answers, and mean and spread of logarithms of distances.

        Raises
        ------
        InputError
            The network has no convolution, or its layers cannot be reached.
        """
        found, k = answers(opened_box(suspect.model), suspect.clean, self.layers), suspect.model.classes
        fold = rng.permutation(len(suspect.clean)) % _FOLDS
        learned: dict[str, NDArray[np.generic]] = {"layers": np.array(list(found.by_layer))}
        for layer, rows in found.by_layer.items():
            usual = np.empty(len(rows))
            for held in (fold == each for each in range(_FOLDS)):
                others = whitened(rows[~held], suspect.labels[~held], k, self.shrinkage)
                usual[held] = others.distances(rows[held], found.given[held])
            usual = np.log(np.maximum(usual, _LEAST))
            fitted = whitened(rows, suspect.labels, k, self.shrinkage)
            learned[f"whitening.{layer}"] = fitted.whitening.astype(np.float32)
            learned[f"centres.{layer}"] = fitted.centres.astype(np.float32)
            learned[f"usual.{layer}"] = np.array([usual.mean(), max(usual.std(), _LEAST)], dtype=np.float32)
        return learned

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Mean over the layers of the logarithm of the distance, in standard deviations from what is usual."""
        box = opened_box(model)
        fitted = [
            (
                layer,
                *(
                    torch.from_numpy(learned[f"{name}.{layer}"]).to(box.device)
                    for name in ("whitening", "centres", "usual")
                ),
            )
            for layer in learned["layers"].tolist()
        ]

        def score(pixels: Tensor) -> Tensor:
            maps, logits = activations(box, pixels)
            given = logits.argmax(1)
            total = torch.zeros(len(pixels), device=box.device)
            for layer, whitening, centres, (middle, spread) in fitted:
                apart = pooled(maps[layer]) @ whitening - centres[given]
                total += (apart.square().mean(1).clamp_min(_LEAST).log() - middle) / spread
            return total / len(fitted)

        return by_batches(score, box.device, passes=4)
