"""TeCo: inputs that stand some corruptions well and others badly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Validated
from bezoar.detectors.inputs.corruptions import blurred
from bezoar.detectors.inputs.passing import by_batches, device_of

_CORRUPTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TeCo(Validated):
    """How unlike the corruptions are in how much of each it takes to lose the prediction.

    A clean input fails under all corruptions alike; a triggered one fails at once under those that break the trigger and
    never under those that spare it.

    Known limits: triggers that everything breaks, or nothing. Departures from the paper: three corruptions that need no
    library (blur, loss of contrast, grain) at three strengths instead of fifteen at five, for ten passes instead of 76;
    the mean probability that the class keeps instead of the first strength that changes the label, so that few scores are
    equal.

    Parameters
    ----------
    levels : strengths of each corruption, one pass each.

    References
    ----------
    Liu et al., "Detecting backdoors during the inference stage based on corruption robustness consistency", CVPR 2023,
    section 4.
    """

    levels: Count = 3

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One for each corruption at each strength, and one for the input."""
        return 1 + _CORRUPTIONS * self.levels

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """The grain, the same for every input."""
        return {"grain": rng.standard_normal(suspect.clean.shape[1:]).astype(np.float32)}

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Standard deviation over the corruptions of the mean probability that the input's own class keeps."""
        device = device_of(model)
        corruptions = _corruptions(torch.from_numpy(learned["grain"]).to(device))
        steps = [(index + 1) / self.levels for index in range(self.levels)]

        def score(pixels: Tensor) -> Tensor:
            own = model.logits(pixels).argmax(1, keepdim=True)
            kept = []
            for corrupt in corruptions:
                stack = torch.cat([corrupt(pixels, step) for step in steps])
                p = torch.softmax(model.logits(stack), 1).view(self.levels, len(pixels), -1).mean(0)
                kept.append(p.gather(1, own)[:, 0])
            return torch.stack(kept).std(0)

        return by_batches(score, device, passes=self.passes)


def _corruptions(grain: Tensor) -> tuple[Callable[[Tensor, float], Tensor], ...]:
    """Blur, loss of contrast and grain, each of pixels and a strength in (0, 1]."""
    side = max(grain.shape[1:])
    return (
        lambda pixels, step: blurred(pixels, step * side / 12),
        lambda pixels, step: pixels.mean((1, 2, 3), keepdim=True).lerp(pixels, 1 - 0.9 * step),
        lambda pixels, step: (pixels + 0.4 * step * grain).clamp(0, 1),
    )
