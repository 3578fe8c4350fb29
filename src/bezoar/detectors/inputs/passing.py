"""Inputs passed through a model by batches."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bezoar.core.detector import Scorer
from bezoar.core.errors import InputError
from bezoar.core.model import HasGradients
from bezoar.learn.device import side_by_side
from bezoar.learn.white_box import WhiteBox, pixels_of

_AT_ONCE, _AT_ONCE_IN_CACHE = 512, 64
"""Pictures in one pass, those made of an input counted each. On a processor what a layer makes of them shall fit its caches: half the time."""


def by_batches(score: Callable[[Tensor], Tensor], device: torch.device, *, passes: int) -> Scorer:
    """A scorer from what scores pixels (b, c, h, w) and passes so many pictures for each.

    On a processor a batch is a thread's: two threads that share a batch of small pictures wait for each other, for ten times as
    long as they work where the cores are busy.
    """
    step = max(1, (_AT_ONCE_IN_CACHE if device.type == "cpu" else _AT_ONCE) // passes)

    def scorer(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        scores = np.empty(len(images))

        def fill(start: int) -> None:
            rows = slice(start, start + step)
            with torch.inference_mode():
                scores[rows] = score(pixels_of(images[rows], device)).double().cpu().numpy()

        starts = range(0, len(images), step)
        if device.type == "cpu":
            side_by_side(fill, starts)
        else:
            for start in starts:
                fill(start)
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
