"""SCALE-UP: inputs whose prediction survives multiplied pixels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Validated
from bezoar.detectors.inputs.passing import by_batches, device_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleUp(Validated):
    """How often the prediction of an input stays when its pixels are multiplied by 2, 3, 4 ...

    The features of a trigger outlive clipping that destroys honest content.

    Known limits: dark triggers, which multiplication leaves dark, and pictures that are nothing but black and white,
    which it leaves as they are. Departures from the paper: the mean probability of the class instead of a count, so that
    few scores are equal. Scores are set against those of the class's clean inputs, the paper's "data-limited" variant.

    Parameters
    ----------
    scales : how many multiples are tried, from 2 upwards, one pass each beside that of the input itself. The paper
        goes up to 11.

    References
    ----------
    Guo et al., "SCALE-UP: an efficient black-box input-level backdoor detection via analyzing scaled prediction
    consistency", ICLR 2023, section 4 (scaled prediction consistency, data-limited).
    """

    scales: Count = 9

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One for each multiple, and one for the input."""
        return 1 + self.scales

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """(k,) mean and spread of the consistency of clean inputs, by class; those of all where a class has fewer than two."""
        kept = by_batches(
            lambda pixels: self._consistency(suspect.model, pixels)[0], device_of(suspect.model), passes=self.passes
        )(suspect.clean)
        usual = np.tile([[kept.mean()], [kept.std()]], suspect.model.classes)
        for label in np.unique(suspect.labels):
            own = kept[suspect.labels == label]
            if len(own) > 1:
                usual[:, label] = own.mean(), own.std()
        return {"mean": usual[0].astype(np.float32), "spread": np.maximum(usual[1], 0.05).astype(np.float32)}

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Mean probability, over the multiples, of the class that the input itself gets, in deviations of clean inputs of it."""
        device = device_of(model)
        mean, spread = (torch.from_numpy(learned[name]).to(device) for name in ("mean", "spread"))

        def score(pixels: Tensor) -> Tensor:
            kept, own = self._consistency(model, pixels)
            return (kept - mean[own]) / spread[own]

        return by_batches(score, device, passes=self.passes)

    def _consistency(self, model: HasGradients, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) mean probability of an input's own class under the multiples; (n,) that class."""
        own = model.logits(pixels).argmax(1)
        multiples = torch.arange(2, 2 + self.scales, device=pixels.device).view(1, -1, 1, 1, 1)
        scaled = (pixels[:, None] * multiples).clamp(0, 1)
        p = torch.softmax(model.logits(scaled.flatten(0, 1)), dim=1).view(len(pixels), self.scales, -1)
        return p.gather(2, own[:, None, None].expand(-1, self.scales, 1)).mean((1, 2)), own
