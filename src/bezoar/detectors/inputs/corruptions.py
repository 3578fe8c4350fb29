"""Slight corruptions of pictures."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def blurred(pixels: Tensor, width: float) -> Tensor:
    """Gaussian blur of pixels (n, c, h, w) with this standard deviation in pixels."""
    reach = max(1, round(2 * width))
    place = torch.arange(-reach, reach + 1, device=pixels.device, dtype=torch.float32)
    line = torch.exp(-(place**2) / (2 * width**2))
    line = (line / line.sum()).expand(pixels.shape[1], 1, -1)
    padded = F.pad(pixels, (reach,) * 4, mode="replicate")
    along = F.conv2d(padded, line[:, :, None], groups=pixels.shape[1])
    return F.conv2d(along, line[:, :, :, None], groups=pixels.shape[1])


def turned(pixels: Tensor, angle: float) -> Tensor:
    """Pixels (n, c, h, w) turned around the middle by an angle in degrees; what was outside looks like the border."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    move = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]], device=pixels.device)
    grid = F.affine_grid(move.expand(len(pixels), -1, -1), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
