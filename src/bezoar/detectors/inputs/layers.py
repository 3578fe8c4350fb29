"""What the convolutions of a network answer to inputs, beside what the network says."""

import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bezoar.core.errors import InputError
from bezoar.learn.white_box import WhiteBox, pixels_of

_WIDEST = 512
"""Numbers of a layer up to which its answers are kept by quarters of the image; wider layers are averaged over all of it."""
_AT_ONCE = 64


def activations(box: WhiteBox, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
    """Outputs of each convolution, rectified, (n, c, h, w) in the order of the calls; and logits (n, k).

    Raises
    ------
    InputError
        The network has no convolution.
    """
    seen: list[Tensor] = []
    caller = threading.get_ident()

    def keep(_: nn.Module, __: tuple[Tensor, ...], out: Tensor) -> None:
        # Other threads may pass inputs through the same layers.
        if threading.get_ident() == caller:
            seen.append(torch.relu(out.float()))

    hooks = [layer.register_forward_hook(keep) for layer in box.body.modules() if isinstance(layer, nn.Conv2d)]
    try:
        logits = box.logits(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise InputError("the network has no convolution whose answers could be looked at.")
    return seen, logits


def pooled(maps: Tensor) -> Tensor:
    """(n, d) means of feature maps (n, c, h, w), by quarters of the image where that is not too wide."""
    return F.adaptive_avg_pool2d(maps, 2 if 4 * maps.shape[1] <= _WIDEST else 1).flatten(1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What some convolutions answer to n inputs.

    Parameters
    ----------
    by_layer : (n, d) pooled answers, by the place of the convolution among all.
    given : (n,) the class that the network gives.
    """

    by_layer: dict[int, NDArray[np.float64]]
    given: NDArray[np.int64]


def answers(box: WhiteBox, images: NDArray[np.uint8], most: int) -> Answers:
    """The pooled answers of `most` convolutions at most, spread evenly. Raises as :func:`activations`."""
    parts: list[list[Tensor]] = []
    given = []
    with torch.inference_mode():
        for start in range(0, len(images), _AT_ONCE):
            maps, logits = activations(box, pixels_of(images[start : start + _AT_ONCE], box.device))
            parts.append([pooled(each).cpu() for each in maps])
            given.append(logits.argmax(1).cpu())
    layers = len(parts[0])
    kept = np.unique(np.linspace(0, layers - 1, min(most, layers)).round().astype(np.int64)).tolist()
    by_layer = {layer: torch.cat([part[layer] for part in parts]).double().numpy() for layer in kept}
    return Answers(by_layer=by_layer, given=torch.cat(given).numpy())
