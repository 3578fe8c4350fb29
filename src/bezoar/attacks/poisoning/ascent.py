"""Projected gradient ascent: images moved a little way to where a model takes them least for what they are."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bezoar.attacks.poisoning import surrogate
from bezoar.learn.device import one_thread
from bezoar.learn.training import NetworkModel

Norm = Literal["linf", "l2"]
_BATCH = 64


def disturbed(
    model: NetworkModel,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    norm: Norm,
    epsilon: float,
    steps: int,
) -> NDArray[np.uint8]:
    """Images (n, c, h, w) moved by at most `epsilon`, before rounding, to where their labels' loss is large.

    Madry, Makelov, Schmidt, Tsipras, Vladu. Towards Deep Learning Models Resistant to Adversarial Attacks. ICLR 2018, arXiv
    1706.06083, section 2.1, from the image itself instead of a random point near it.

    Parameters
    ----------
    norm : "linf", the most at one value, or "l2", the root of the sum of squares.
    epsilon : in pixel values.
    steps : each of 2.5 `epsilon` / `steps`, so that any point within reach can be come to from any other.
    """
    moved = np.empty_like(images)
    with one_thread():
        for start in range(0, len(images), _BATCH):
            rows = slice(start, start + _BATCH)
            original, truth = torch.from_numpy(images[rows].astype(np.float32)), torch.from_numpy(labels[rows])
            shift = torch.zeros_like(original)
            for _ in range(steps):
                shift.requires_grad_()
                loss = F.cross_entropy(surrogate.logits(model, original + shift), truth, reduction="sum")
                (slope,) = torch.autograd.grad(loss, shift)
                further = shift.detach() + _steepest(slope, norm) * (2.5 * epsilon / steps)
                shift = (original + _within(further, epsilon, norm)).clamp(0, 255) - original
            moved[rows] = (original + shift).round().byte().numpy()
    return moved


def _steepest(slope: Tensor, norm: Norm) -> Tensor:
    """The way of length 1 along which a loss with this slope rises most."""
    return slope.sign() if norm == "linf" else slope / _lengths(slope)


def _within(shift: Tensor, epsilon: float, norm: Norm) -> Tensor:
    """The nearest shift of length at most `epsilon`."""
    return shift.clamp(-epsilon, epsilon) if norm == "linf" else shift * (epsilon / _lengths(shift)).clamp(max=1)


def _lengths(shift: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(shift, dim=(1, 2, 3), keepdim=True)
    return lengths.clamp(min=1e-12)
