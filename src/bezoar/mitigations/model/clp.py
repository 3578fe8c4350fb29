"""CLP: take out channels that answer far more strongly than the others of their layer. No data are needed."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from bezoar.core.mitigation import Subject
from bezoar.core.validation import Positive, Validated
from bezoar.learn.white_box import copied
from bezoar.maths.lipschitz import channel_bounds
from bezoar.mitigations.model.layers import convolutions
from bezoar.mitigations.model.tuning import handed_out, opened_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Clp(Validated):
    """Silence channels whose Lipschitz bound is an outlier of its layer.

    Known limits: in narrow layers honest channels are outliers too. Networks are taken as sequences of a convolution and
    the normalisation after it.

    Parameters
    ----------
    deviations : standard deviations above the layer's mean from which a channel is silenced. The paper uses 3.

    References
    ----------
    Zheng et al., "Data-free backdoor removal based on channel Lipschitzness", ECCV 2022, algorithm 1.
    """

    deviations: Positive = 3.0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model."""
        copy = copied(opened_model(subject))
        with torch.no_grad():
            for convolution, norm in convolutions(copy.network):
                weights = convolution.weight
                if norm is not None and norm.running_var is not None:
                    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
                    weights = weights * scale[:, None, None, None]
                bounds = channel_bounds(weights)
                loud = bounds > bounds.mean() + self.deviations * bounds.std()
                _silence(convolution, norm, loud)
        return handed_out(subject, copy)


def _silence(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None, channels: torch.Tensor) -> None:
    convolution.weight[channels] = 0
    if convolution.bias is not None:
        convolution.bias[channels] = 0
    if norm is not None:
        norm.weight[channels] = 0
        norm.bias[channels] = 0
