"""Universal perturbation: the class that an abnormally faint picture, added to any input, leads to."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.validation import Count, Level, Positive, Validated
from bezoar.detectors.models.inverted import inspected
from bezoar.learn.inversion import Parameters, Search

_LEAST = 1e-4


@dataclass(frozen=True, slots=True)
class Additive:
    """A picture that is added; its size is the root of its mean square, as a share of the range of a pixel."""

    def start(self, classes: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """A hundredth of the range, at random."""
        return {"picture": 0.01 * torch.randn(classes, *shape, generator=generator)}

    def stamp(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """(m, b, c, h, w)."""
        return (pixels[None] + parameters["picture"][:, None]).clamp(0, 1)

    def size(self, parameters: Parameters, change: Tensor) -> Tensor:
        """(m,)."""
        return parameters["picture"].square().mean((1, 2, 3)).add(_LEAST**2).sqrt()


@dataclass(frozen=True, slots=True, kw_only=True)
class UniversalPerturbation(Validated):
    """How much fainter a picture, added to inputs of all other classes, leads to a class than to the others.

    Blended and sinusoidal triggers are such pictures. Every network has universal perturbations towards every class;
    that of a backdoor's target is fainter than they are.

    Known limits: small patches (they are not faint), and warps. Departures from the paper: there the perturbation is
    untargeted and bounded; here each class has its own, and its size is made small as in Neural Cleanse.

    Parameters
    ----------
    steps : of the optimiser at most.
    batch : inputs a step, each under the pictures of all classes.
    learning_rate : of Adam, as a share of the range of a pixel.
    goal : share of the inputs that must turn.

    References
    ----------
    Moosavi-Dezfooli et al., "Universal adversarial perturbations", CVPR 2017, section 3.
    """

    steps: Count = 300
    batch: Count = 24
    learning_rate: Positive = 0.01
    goal: Level = 0.95

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """Minus the logarithm of the strength of each class's picture, and the pictures that reach their class."""
        search = Search(steps=self.steps, batch=self.batch, learning_rate=self.learning_rate, goal=self.goal, scale=100)
        return inspected(suspect, Additive(), search, rng)
