"""Channel Lipschitz bounds: the class that the channels of a network can drive furthest, read off the weights alone."""

import copy
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
import torch
from torch import nn

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.validation import Validated
from bezoar.learn.networks import Network

_LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLipschitz(Validated):
    """Logarithm of how far a change of one in every pixel can drive each class up, by the bounds of all channels one after another.

    Channels that answer to a trigger are louder than those that answer to content, and what they lead to is the target. A channel's
    bound is the sum of its weights' sizes, times the bounds of the channels before it, with normalisations folded in: the answer of the network
    with all weights made positive to a picture of ones. Nothing else is passed through it.

    Known limits: bounds of layers that are neither convolution, linear nor batch normalisation are taken to be 1, which says little of
    transformers; it shows no trigger. Departures from the paper, which silences channels: bounds are in the maximum norm, where they multiply along
    paths, and end at the classes; the paper takes the spectral norm of each channel by itself.

    References
    ----------
    Zheng et al., "Data-free backdoor removal based on channel Lipschitzness", ECCV 2022, equation 6 (bounds of channels);
    Neyshabur, Salakhutdinov, Srebro, "Path-SGD", NeurIPS 2015 (norms over all paths by one pass).
    """

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """The logarithm of what the features can add to each class beyond what they add to all."""
        network = copy.deepcopy(cast("Network", suspect.model.network)).double()
        weights = network.head.weight.detach()
        beyond = (weights - weights.mean(0)).clamp_min(0)
        for layer in network.body.modules():
            _made_positive(layer)
        ones = torch.ones(1, *suspect.clean.shape[1:], dtype=torch.double, device=weights.device)
        with torch.no_grad():
            driven = beyond @ network.body(ones)[0]
        return Inspection(scores=np.log(driven.clamp_min(_LEAST).cpu().numpy()))


@torch.no_grad()
def _made_positive(layer: nn.Module) -> None:
    """Leave a layer its bounds: no offsets, no signs, and normalisations as the factors that they are."""
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        if layer.running_mean is not None:
            layer.running_mean.zero_()
    elif not isinstance(layer, nn.Conv2d | nn.Linear):
        return
    if layer.weight is not None:
        layer.weight.abs_()
    if layer.bias is not None:
        layer.bias.zero_()
