"""TABOR: Neural Cleanse with what a planted patch looks like: compact, out of the way, and enough by itself."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Level, Positive, Range, Validated
from bezoar.detectors.models.inverted import inspected
from bezoar.detectors.models.neural_cleanse import Patch
from bezoar.learn.inversion import Parameters, Penalty, Search

Weight = Annotated[float, Range(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tabor(Validated):
    """How much smaller a patch that looks planted turns inputs of all other classes into a class than into the others.

    The smallest patch that Neural Cleanse finds may be dust over the whole image, or may hide what the input shows.
    Here scattered patches are made to cost, and so are patches without which the rest of the input is not recognised, and
    those that do not lead to the class by themselves.

    Known limits: as Neural Cleanse; blends and warps are no compact patches. Departures from the paper: its four terms are
    weighted once and not moved during the search, in which the weight of the size moves alone; the pattern outside the
    mask, which changes nothing, is left out; and a null from clean models decides, not a measure of the paper's own.

    Parameters
    ----------
    scattered : weight of the differences between neighbours in the mask, for each pixel.
    blocking : weight of the loss on inputs with the place of the patch blanked out, which shall keep their class.
    overlaying : weight of the loss on the patch alone on black, which shall lead to its class.
    steps : of the optimiser at most.
    batch : inputs a step, each under the triggers of all classes.
    learning_rate : of Adam.
    goal : share of the inputs that must turn.

    References
    ----------
    Guo, Wang, Xing, Du and Song, "TABOR: a highly accurate approach to inspecting and restoring trojan backdoors in AI
    systems", arXiv 1908.01763, 2019, section 4.3 (the four regularisation terms).
    """

    scattered: Weight = 0.002
    blocking: Weight = 0.1
    overlaying: Weight = 0.1
    steps: Count = 300
    batch: Count = 24
    learning_rate: Positive = 0.1
    goal: Level = 0.98

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """Minus the logarithm of the pixels of each class's patch, and the patches that reach their class."""
        search = Search(steps=self.steps, batch=self.batch, learning_rate=self.learning_rate, goal=self.goal)
        return inspected(suspect, Patch(), search, rng, self._penalty)

    def _penalty(self, suspect: Suspect) -> Penalty:
        model: HasGradients = suspect.model

        def penalty(parameters: Parameters, pixels: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
            mask, pattern = (torch.sigmoid(2 * parameters[name]) for name in ("mask", "pattern"))
            m, few = len(mask), pixels[: max(1, len(pixels) // 4)]
            rough = mask.diff(dim=2).abs().sum((1, 2, 3)) + mask.diff(dim=3).abs().sum((1, 2, 3))
            bare = (few[None] * (1 - mask[:, None])).flatten(0, 1)
            logits = model.logits(torch.cat([bare, mask * pattern]))
            kept = F.cross_entropy(logits[:-m], labels[: len(few)].repeat(m), reduction="none").view(m, -1).mean(1)
            alone = F.cross_entropy(logits[-m:], targets, reduction="none")
            return self.scattered * rough + self.blocking * kept + self.overlaying * alone

        return penalty
