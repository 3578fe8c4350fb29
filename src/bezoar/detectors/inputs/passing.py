"""Inputs passed through a model by batches."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bezoar.core.detector import Scorer
from bezoar.core.errors import InputError
from bezoar.core.model import HasGradients
from bezoar.learn.white_box import WhiteBox, pixels_of

_AT_ONCE = 512
"""Pictures in one pass, those made of an input counted each."""


def by_batches(score: Callable[[Tensor], Tensor], device: torch.device, *, passes: int) -> Scorer:
    """A scorer from what scores pixels (b, c, h, w) and passes so many pictures for each."""
    step = max(1, _AT_ONCE // passes)

    def scorer(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        scores = np.empty(len(images))
        with torch.inference_mode():
            for start in range(0, len(images), step):
                rows = slice(start, start + step)
                scores[rows] = score(pixels_of(images[rows], device)).double().cpu().numpy()
        return scores

    return scorer


def device_of(model: HasGradients) -> torch.device:
    """Where a model lives."""
    return next(model.network.parameters()).device


def opened_box(model: HasGradients) -> WhiteBox:
    """The model, open. Raises ``InputError`` where its layers cannot be reached."""
    if not isinstance(model, WhiteBox):
        raise InputError("this detector looks into the layers of a network, which this model does not show.")
    return model
