"""Image classifiers: a body that gives features, and a linear head that reads them."""

from typing import cast

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """An image classifier in two parts: ``body`` gives features (n, d), ``head`` logits (n, classes)."""

    body: nn.Sequential
    head: nn.Linear

    def forward(self, images: Tensor) -> Tensor:
        """(n, classes) logits of scaled images (n, channels, h, w)."""
        return cast("Tensor", self.head(self.body(images)))


class ConvNet(Network):
    """Four small convolutions, then the mean over space: made for training on a CPU.

    The first and the last convolution halve images of more than 16 pixels a side, the second those of more than 40. Input (n, channels, h, w), features (n, 128).
    """

    def __init__(self, channels: int, classes: int, side: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, 32, stride=2 if side > 16 else 1),
            _conv(32, 48, stride=2 if side > 40 else 1),
            nn.MaxPool2d(2),
            _conv(48, 96),
            _conv(96, 128, stride=2 if side > 16 else 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(128, classes)


class PreActResNet18(Network):
    """He et al. 2016, Identity Mappings in Deep Residual Networks (arXiv 1603.05027), 18 layers, for 32 x 32 images.

    Input (n, channels, h, w), features (n, 512).
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        widths, blocks, width = (64, 128, 256, 512), [], 64
        for stage, out in enumerate(widths):
            blocks += [_PreActBlock(width, out, stride=2 if stage else 1), _PreActBlock(out, out, stride=1)]
            width = out
        self.body = nn.Sequential(
            nn.Conv2d(channels, 64, 3, padding=1, bias=False),
            *blocks,
            nn.BatchNorm2d(512),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(512, classes)


def build(architecture: str, *, channels: int, classes: int, side: int) -> Network:
    """The network of this name with fresh weights from torch's current random state."""
    if architecture == "preact_resnet18":
        return PreActResNet18(channels, classes)
    return ConvNet(channels, classes, side)


class _PreActBlock(nn.Module):
    def __init__(self, width: int, out: int, *, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(out)
        self.conv1 = nn.Conv2d(width, out, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        changes_shape = stride > 1 or width != out
        self.shortcut = nn.Conv2d(width, out, 1, stride=stride, bias=False) if changes_shape else None

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.norm1(x))
        skipped = x if self.shortcut is None else self.shortcut(active)
        return cast("Tensor", self.conv2(torch.relu(self.norm2(self.conv1(active)))) + skipped)


def _conv(width: int, out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
