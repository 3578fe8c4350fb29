"""What the convolutions of a network answer to inputs, beside what the network says."""

import threading

import torch
from torch import Tensor, nn

from bezoar.core.errors import InputError
from bezoar.learn.white_box import WhiteBox


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
