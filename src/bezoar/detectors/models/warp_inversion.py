"""Warp inversion: the class that an abnormally slight bending of any input leads to."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.validation import Count, Level, Positive, Validated
from bezoar.detectors.models.inverted import inspected
from bezoar.learn.inversion import Parameters, Search

_LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Warp:
    """A smooth field of shifts; its size is the root of its mean square, in pixels.

    Parameters
    ----------
    knots : points a side at which the field is free; between them it is a cubic.
    """

    knots: int

    def start(self, classes: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """A tenth of a pixel, at random."""
        return {"shifts": 0.1 * torch.randn(classes, 2, self.knots, self.knots, generator=generator)}

    def stamp(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """(m, b, c, h, w)."""
        shifts = parameters["shifts"]
        m, (b, channels, height, width) = len(shifts), pixels.shape
        field = F.interpolate(shifts, (height, width), mode="bicubic", align_corners=True)
        # grid_sample counts from -1 to 1 across the image.
        scale = torch.tensor([2 / max(1, width - 1), 2 / max(1, height - 1)], device=pixels.device)
        still = F.affine_grid(
            torch.eye(2, 3, device=pixels.device)[None], [1, channels, height, width], align_corners=True
        )
        grid = still + field.permute(0, 2, 3, 1) * scale
        # One field serves all inputs: they travel as channels.
        stacked = pixels.reshape(1, b * channels, height, width).expand(m, -1, -1, -1)
        bent = F.grid_sample(stacked, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return bent.view(m, b, channels, height, width)

    def size(self, parameters: Parameters, change: Tensor) -> Tensor:
        """(m,) pixels."""
        return parameters["shifts"].square().sum(1).mean((1, 2)).add(_LEAST**2).sqrt()


@dataclass(frozen=True, slots=True, kw_only=True)
class WarpInversion(Validated):
    """How much slighter a smooth bending turns inputs of all other classes into a class than into the others.

    The trigger of WaNet is such a bending, and no patch or picture stands in for it.

    Known limits: other triggers; strong bendings turn shoes into other shoes by nature. The field is sought on a grid of
    its own, which need not be the attacker's.

    Parameters
    ----------
    knots : points a side at which the field is free.
    steps : of the optimiser at most.
    batch : inputs a step, each under the fields of all classes.
    learning_rate : of Adam, in pixels.
    goal : share of the inputs that must turn.

    References
    ----------
    Nguyen and Tran, "WaNet: imperceptible warping-based backdoor attack", ICLR 2021, section 3.2 (the form of the
    trigger; the search is that of Neural Cleanse).
    """

    knots: Count = 8
    steps: Count = 300
    batch: Count = 24
    learning_rate: Positive = 0.1
    goal: Level = 0.9

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """Minus the logarithm of the pixels of each class's bending, and the bendings that reach their class."""
        search = Search(steps=self.steps, batch=self.batch, learning_rate=self.learning_rate, goal=self.goal, scale=10)
        return inspected(suspect, Warp(self.knots), search, rng)
