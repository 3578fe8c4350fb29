"""Neuron stimulation: the class that one channel, turned up, leads every input to."""

import copy
import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.errors import InputError
from bezoar.core.validation import Count, Positive, Validated
from bezoar.learn.white_box import WhiteBox, pixels_of

_AT_ONCE = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronStimulation(Validated):
    """By how much the best single channel, turned up, lifts a class above all others, whatever the input.

    A compromised channel decides alone: stimulated, it leads inputs of every class to the target.

    Known limits: backdoors that spread over many channels. Departures from the paper: whole channels of the last
    convolutions at a few strengths, and no trigger is made from them; the trigger inversions do that.

    Parameters
    ----------
    layers : convolutions that are looked at, from the last.
    inputs : clean inputs that each channel is tried on.
    strength : to which a channel is turned up, in multiples of the most that it answers to any of the inputs.

    References
    ----------
    Liu et al., "ABS: scanning neural networks for back-doors by artificial brain stimulation", CCS 2019, sections 4.1
    and 4.2.
    """

    layers: Count = 3
    inputs: Count = 12
    strength: Positive = 2.0

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """log(1 + a), a the largest mean lead of a class under any one channel in mean leads of the inputs as they are.

        0 for a class that no channel leads to.

        Raises
        ------
        InputError
            A network without convolutions.
        """
        model = suspect.model
        if not isinstance(model, WhiteBox):
            raise InputError("stimulation needs a network whose layers can be reached.")
        # A copy: other detectors pass inputs through the model's own layers at the same time.
        model = dataclasses.replace(model, body=copy.deepcopy(model.body))
        layers = [layer for layer in model.body.modules() if isinstance(layer, nn.Conv2d)][-self.layers :]
        if not layers:
            raise InputError("the network has no convolutions to stimulate.")
        chosen = rng.choice(len(suspect.clean), min(self.inputs, len(suspect.clean)), replace=False)
        pixels = pixels_of(suspect.clean[chosen], model.device)
        with torch.inference_mode():
            usual = _leads(model.logits(pixels)).amax(1).mean()
            most = torch.stack([self._most(model, layer, pixels) for layer in layers]).amax(0)
        return Inspection(scores=torch.log1p((most / usual).clamp_min(0)).double().cpu().numpy())

    def _most(self, model: WhiteBox, layer: nn.Conv2d, pixels: Tensor) -> Tensor:
        """(k,) largest mean lead of each class under any one channel of a layer."""
        answers: list[Tensor] = []
        hook = layer.register_forward_hook(lambda _, __, out: answers.append(out.amax((0, 2, 3))))
        model.logits(pixels)
        hook.remove()
        levels = self.strength * answers[0].clamp_min(0)
        step = max(1, _AT_ONCE // len(pixels))
        found = []
        for start in range(0, layer.out_channels, step):
            channels = torch.arange(start, min(start + step, layer.out_channels), device=pixels.device)
            each = channels.repeat_interleave(len(pixels))
            rows = torch.arange(len(each), device=pixels.device)

            def turned_up(_: nn.Module, __: object, out: Tensor, rows: Tensor = rows, each: Tensor = each) -> Tensor:
                out[rows, each] = levels[each][:, None, None].to(out.dtype)
                return out

            hook = layer.register_forward_hook(turned_up)
            try:
                logits = model.logits(pixels.repeat(len(channels), 1, 1, 1))
            finally:
                hook.remove()
            found.append(_leads(logits).view(len(channels), len(pixels), -1).mean(1))
        return torch.cat(found).amax(0)


def _leads(logits: Tensor) -> Tensor:
    """(n, k) how far each class's logit leads the best of the others; below 0 for all but one."""
    top = logits.topk(2, dim=1).values
    best_other = torch.where(logits == top[:, :1], top[:, 1:2], top[:, :1])
    return logits - best_other
