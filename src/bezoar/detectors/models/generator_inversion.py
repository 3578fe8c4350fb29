"""Generator inversion: the class that an abnormally slight change, made to measure for each input, leads to."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.validation import Count, Level, Positive, Validated
from bezoar.detectors.models.inverted import inspected
from bezoar.learn.device import computes_in_bfloat16
from bezoar.learn.inversion import Parameters, Search

_LEAST = 1e-4


@dataclass(frozen=True, slots=True)
class Generator:
    """A small network for each class that draws the change from the input; its size is the root of the mean square.

    The networks of all classes run as one grouped convolution.

    Parameters
    ----------
    width : channels of the hidden layers.
    """

    width: int

    def start(self, classes: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """Weights as He et al. draw them; the last layer draws nearly nothing."""
        channels, width = shape[0], self.width

        def drawn(out: int, given: int, gain: float) -> Tensor:
            spread = gain * math.sqrt(2 / (9 * given))
            return spread * torch.randn(classes, out, given, 3, 3, generator=generator)

        return {
            "first": drawn(width, channels, 1.0),
            "second": drawn(width, width, 1.0),
            "last": drawn(channels, width, 0.05),
            "offset": torch.zeros(classes, channels),
        }

    def stamp(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """(m, b, c, h, w)."""
        m, (b, channels, height, width) = len(parameters["first"]), pixels.shape
        # Five times as fast in bf16 with the channels last.
        hidden = pixels.repeat(1, m, 1, 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=computes_in_bfloat16(pixels.device)):
            hidden = F.relu(_grouped(hidden, parameters["first"], dilation=1))
            hidden = F.relu(_widely_grouped(hidden, parameters["second"]))
            drawn = _grouped(hidden, parameters["last"], dilation=1)
        change = drawn.float().reshape(b, m, channels, height, width)
        change = torch.tanh(change + parameters["offset"][None, :, :, None, None]).transpose(0, 1)
        return (pixels[None] + change).clamp(0, 1)

    def size(self, parameters: Parameters, change: Tensor) -> Tensor:
        """(m,)."""
        return change.square().mean((1, 2, 3, 4)).add(_LEAST**2).sqrt()


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorInversion(Validated):
    """How much slighter a change that depends on the input leads inputs of all other classes to a class than to others.

    Input-aware triggers differ from input to input, so no single picture stands in for them; a small network that draws
    the change from the input can.

    Known limits: networks this small draw local changes only. Departures from the paper: it first learns which features
    are benign and has the generator avoid them; here the change is made small and a null from clean models decides.

    Parameters
    ----------
    width : channels of the generator's hidden layers.
    steps : of the optimiser at most.
    batch : inputs a step, each under the generators of all classes.
    learning_rate : of Adam.
    goal : share of the inputs that must turn.

    References
    ----------
    Xu et al., "Towards reliable and efficient backdoor trigger inversion via decoupling benign features", ICLR 2024,
    section 4.2 (the generator).
    """

    width: Count = 8
    steps: Count = 200
    batch: Count = 24
    learning_rate: Positive = 0.02
    goal: Level = 0.9

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """Minus the logarithm of the strength of each class's change, and the generators that reach their class."""
        search = Search(steps=self.steps, batch=self.batch, learning_rate=self.learning_rate, goal=self.goal, scale=100)
        return inspected(suspect, Generator(self.width), search, rng)


def _widely_grouped(pixels: Tensor, weights: Tensor) -> Tensor:
    """With two pixels between the taps; on a processor in single precision.

    oneDNN 3.12, which torch 2.13 calls there, reads memory that nobody wrote for the slope of such weights in bf16.
    """
    if pixels.device.type != "cpu":
        return _grouped(pixels, weights, dilation=2)
    with torch.autocast("cpu", enabled=False):
        return _grouped(pixels.float(), weights, dilation=2)


def _grouped(pixels: Tensor, weights: Tensor, *, dilation: int) -> Tensor:
    """A convolution of each class's own channels with its own weights (m, out, in, 3, 3)."""
    return F.conv2d(pixels, weights.flatten(0, 1), padding=dilation, dilation=dilation, groups=len(weights))
