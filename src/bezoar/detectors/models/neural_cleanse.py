"""Neural Cleanse: the class that an abnormally small patch turns every input into."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.validation import Count, Index, Level, Positive, Validated
from bezoar.detectors.models.inverted import inspected
from bezoar.learn.inversion import Parameters, Search


@dataclass(frozen=True, slots=True)
class Patch:
    """A mask with a pattern under it; its size is the mask's sum, in pixels."""

    def start(self, classes: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """Half opaque throughout, with a little noise; a class's own, not what another class's search left."""
        channels, height, width = shape
        return {
            "mask": 0.5 * torch.randn(classes, 1, height, width, generator=generator),
            "pattern": 0.5 * torch.randn(classes, channels, height, width, generator=generator),
        }

    def stamp(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """(m, b, c, h, w)."""
        mask, pattern = (torch.sigmoid(2 * parameters[name])[:, None] for name in ("mask", "pattern"))
        return pixels[None] * (1 - mask) + mask * pattern

    def size(self, parameters: Parameters, change: Tensor) -> Tensor:
        """(m,) pixels."""
        return torch.sigmoid(2 * parameters["mask"]).sum((1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralCleanse(Validated):
    """How much smaller a patch turns inputs of all other classes into a class than into the others.

    A patch backdoor is a shortcut: a few pixels do what otherwise takes a whole picture of the class.

    Known limits: triggers that cover or bend the whole input, and classes that are small shortcuts by nature (a bag is
    a dark square); hence a null from clean models decides, not the paper's threshold of 2 median absolute deviations.
    Departures from the paper: all classes in one optimisation, each with its own weight and its own end; beyond ten classes only
    the ten smallest patches are searched for to the end; sizes are compared as logarithms; inputs of the class itself are not asked.

    Parameters
    ----------
    steps : of the optimiser at most. The paper's program passes 10 times 1,000 inputs a class.
    batch : inputs a step, each under the triggers of all classes.
    learning_rate : of Adam. The paper's program uses 0.1.
    goal : share of the inputs that must turn. The paper uses 0.99.
    patience : times ten steps without a smaller patch after which a class is done.
    polish : steps for which the smallest patch is sought on, to be handed out; what is said of its class does not change.

    References
    ----------
    Wang et al., "Neural Cleanse: identifying and mitigating backdoor attacks in neural networks", IEEE S&P 2019,
    equations 2 and 3, section V-B.
    """

    steps: Count = 400
    batch: Count = 24
    learning_rate: Positive = 0.1
    goal: Level = 0.99
    patience: Count = 4
    polish: Index = 60

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """Minus the logarithm of the pixels of each class's patch, and the patches that reach their class."""
        search = Search(
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            goal=self.goal,
            patience=self.patience,
            polish=self.polish,
        )
        return inspected(suspect, Patch(), search, rng)
