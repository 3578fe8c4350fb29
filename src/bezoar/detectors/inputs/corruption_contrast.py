"""Corruption contrast: inputs whose prediction stands smoothing and grain as hardly any clean input's does."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Level, Positive, Validated
from bezoar.detectors.inputs.corruptions import blurred, turned
from bezoar.detectors.inputs.passing import by_batches, device_of
from bezoar.maths.surprise import surprise

_CORRUPTIONS = 3
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionContrast(Validated):
    """How rare it is among clean inputs that a prediction stands being turned and blurred so much better, or worse, than grain.

    A clean input that the model is sure of stands both, and one that it is not sure of stands neither. A pattern that must be
    sharp and in its place (a patch, a blend) is lost when the picture is turned or blurred, and outlives grain; a trigger that is
    itself a smooth bend holds on where the picture is smoothed, and is lost in grain.

    Known limits: triggers that everything breaks, or nothing; networks that were trained on turned, blurred or grainy
    pictures; tasks in which turning changes the class. Departures from the paper: three corruptions at one strength each
    instead of fifteen at five, for four passes; the ratio of two mean losses, and both ends of what is usual, in place of a
    deviation over the corruptions.

    Parameters
    ----------
    angle : by which the picture is turned, in degrees.
    blur : standard deviation of the blur, as a share of the longer side.
    grain : standard deviation of the grain, as a share of the range of a pixel; the same grain for every input.

    References
    ----------
    Liu et al., "Detecting backdoors during the inference stage based on corruption robustness consistency", CVPR 2023,
    sections 3 and 4.
    """

    angle: Positive = 8.0
    blur: Positive = 0.022
    grain: Level = 0.05

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One for each corruption, and one for the input."""
        return 1 + _CORRUPTIONS

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """The grain, and (m,) the contrasts of the clean inputs, in order."""
        grain = rng.standard_normal(suspect.clean.shape[1:]).astype(np.float32)
        usual = np.sort(self._contrast(suspect.model, grain)(suspect.clean)).astype(np.float32)
        return {"grain": grain, "usual": usual}

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Nats by which few clean inputs have such a contrast or a larger one, or such a one or a smaller one, whichever are fewer."""
        usual, contrast = np.asarray(learned["usual"], dtype=np.float64), self._contrast(model, learned["grain"])

        def score(images: NDArray[np.uint8]) -> NDArray[np.float64]:
            found = contrast(images)
            return np.maximum(surprise(found, usual), surprise(-found, -usual))

        return score

    def _contrast(self, model: HasGradients, grain: NDArray[np.float32]) -> Scorer:
        """Logarithm of the mean loss of the input's own class when it is turned and blurred, less that under grain."""
        device = device_of(model)
        laid_over = self.grain * torch.from_numpy(np.asarray(grain, dtype=np.float32)).to(device)

        def contrast(pixels: Tensor) -> Tensor:
            own = model.logits(pixels).argmax(1)
            width = self.blur * max(pixels.shape[2:])
            made = (turned(pixels, self.angle), blurred(pixels, width), (pixels + laid_over).clamp(0, 1))
            logits = model.logits(torch.cat(made))
            loss = F.cross_entropy(logits, own.repeat(_CORRUPTIONS), reduction="none").view(_CORRUPTIONS, -1)
            return (loss[:2].mean(0) + _LEAST).log() - (loss[2] + _LEAST).log()

        return by_batches(contrast, device, passes=self.passes)
