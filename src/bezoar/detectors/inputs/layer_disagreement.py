"""Layer disagreement: inputs that a network's own early layers would call something else than it does."""

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
from bezoar.maths.discriminant import linear_discriminant


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDisagreement(Validated):
    """How far, layer by layer, the class that the network gives lies behind the class that the layer's answers suggest.

    A trigger turns the network's answer somewhere on its way. What the layers before that show is still the content,
    which clean inputs of its true class teach a linear discriminant to read. It does not matter what the trigger looks
    like, or whether it is another one on each input.

    Known limits: triggers that overwrite the content, and inputs that honestly lie between two classes. An attacker who
    trains with the purpose can make early layers agree.
    Departures from the papers: linear discriminants in the place of distances and of neighbours' ranks, since what is
    asked is not whether the answers are strange but whose they are.

    Parameters
    ----------
    layers : convolutions that are looked at at most, spread evenly.
    shrinkage : weight of a sphere in the covariance of each layer, in (0, 1).

    References
    ----------
    Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial attacks", NeurIPS
    2018, sections 2.1 and 2.2 (a Gaussian of common covariance for each class and layer); Mo et al., "Robust backdoor
    detection for deep learning via topological evolution dynamics", IEEE S&P 2024, section 4 (the way through the layers).
    """

    layers: Count = 8
    shrinkage: Level = 0.1

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One."""
        return 1

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """A linear discriminant for each layer, in units of the spread of its classes.

        Raises
        ------
        InputError
            The network has no convolution, or its layers cannot be reached.
        """
        found = answers(opened_box(suspect.model), suspect.clean, self.layers)
        learned: dict[str, NDArray[np.generic]] = {"layers": np.array(list(found.by_layer))}
        for layer, rows in found.by_layer.items():
            weights, bias = linear_discriminant(rows, suspect.labels, suspect.model.classes, self.shrinkage)
            learned[f"weights.{layer}"], learned[f"bias.{layer}"] = weights.astype(np.float32), bias.astype(np.float32)
        return learned

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Sum over the layers of the lead that the layer's first class has over the class that the network gives."""
        box = opened_box(model)
        readers = [
            (layer, *(torch.from_numpy(learned[f"{name}.{layer}"]).to(box.device) for name in ("weights", "bias")))
            for layer in learned["layers"].tolist()
        ]

        def score(pixels: Tensor) -> Tensor:
            maps, logits = activations(box, pixels)
            own = logits.argmax(1, keepdim=True)
            total = torch.zeros(len(pixels), device=box.device)
            for layer, weights, bias in readers:
                read = pooled(maps[layer]) @ weights.T + bias
                total += read.max(1).values - read.gather(1, own)[:, 0]
            return total

        return by_batches(score, box.device, passes=4)
