"""A copy of a network that has forgotten what clean inputs have in common, and kept what they do not show."""

import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.learn.device import one_thread
from bezoar.learn.white_box import WhiteBox, copied

_LOOK_EVERY = 3


def forgetful(
    box: WhiteBox,
    pixels: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    *,
    forgotten: float = 0.5,
    learning_rate: float = 5e-4,
    batch: int = 64,
    steps: int = 300,
) -> WhiteBox:
    """Train a copy on clean inputs with wrong labels until it gets few of them right. A backdoor outlives that.

    Parameters
    ----------
    pixels, labels : (n, c, h, w) in [0, 1] and (n,), where the network lives.
    forgotten : share of the inputs that the copy may still get right when its training ends.
    learning_rate : of Adam.
    batch : inputs a step.
    steps : at most.

    References
    ----------
    Xie et al., "BaDExpert: extracting backdoor functionality for accurate backdoor input detection", ICLR 2024,
    algorithm 1.
    """
    copy = copied(box)
    optimiser = torch.optim.Adam(copy.network.parameters(), lr=learning_rate)
    with one_thread():
        for step in range(steps):
            if step % _LOOK_EVERY == 0 and _right(copy, pixels, labels) <= forgotten:
                break
            rows = torch.randint(len(pixels), (batch,), generator=generator)
            other = torch.randint(1, copy.classes, (batch,), generator=generator).to(copy.device)
            wrong = (labels[rows] + other) % copy.classes
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(copy.logits(pixels[rows]), wrong).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
    copy.network.requires_grad_(False)
    return copy


def _right(copy: WhiteBox, pixels: Tensor, labels: Tensor) -> float:
    with torch.inference_mode():
        parts = [copy.logits(pixels[start : start + 256]).argmax(1) for start in range(0, len(pixels), 256)]
    return float((torch.cat(parts) == labels).float().mean())
