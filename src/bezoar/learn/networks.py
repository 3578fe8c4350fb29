"""Image classifiers: a body that gives features, and a linear head that reads them."""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Module = TypeVar("Module", bound=nn.Module)


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


class VGG(Network):
    """Simonyan & Zisserman 2015, Very Deep Convolutional Networks (arXiv 1409.1556), made small.

    The first three stages of their configuration A at half its width, with batch normalisation, pooled to 2 x 2 before one
    hidden layer instead of two. Input (n, channels, h, w), features (n, 128).
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, 32),
            nn.MaxPool2d(2),
            _conv(32, 64),
            nn.MaxPool2d(2),
            _conv(64, 128),
            _conv(128, 128),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(512, 128),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(128, classes)


class ViT(Network):
    """Dosovitskiy et al. 2021, An Image is Worth 16x16 Words (arXiv 2010.11929), made small.

    Three blocks over at most 64 patches. Departures: one convolution before the patches, as in Xiao et al. 2021 (arXiv 2106.14881),
    since a few thousand rows teach a bare transformer little (held-out accuracy .95 instead of .90 on 4,000 MNIST rows); the mean
    of all tokens for a class token and fixed sines for learned positions, as in Beyer et al. 2022 (arXiv 2205.01580), so that any
    height and width fit. Input (n, channels, h, w), features (n, 64).
    """

    def __init__(self, channels: int, classes: int, side: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _Patches(channels, 64, patch=max(2, math.ceil(side / 8))),
            *(_AttentionBlock(64, heads=2) for _ in range(3)),
            nn.LayerNorm(64),
            _MeanOfTokens(),
        )
        self.head = nn.Linear(64, classes)


def build(architecture: str, *, channels: int, classes: int, side: int) -> Network:
    """The network of this name with fresh weights from torch's current random state.

    Parameters
    ----------
    side : the longer side of the images in pixels.
    """
    match architecture:
        case "preact_resnet18":
            return PreActResNet18(channels, classes)
        case "vgg":
            return VGG(channels, classes)
        case "vit":
            return ViT(channels, classes, side)
        case _:
            return ConvNet(channels, classes, side)


def drawn(make: Callable[[], Module], generator: torch.Generator) -> Module:
    """What `make` makes, with weights drawn from `generator` alone, whatever other threads draw from torch's global one."""
    with torch.device("meta"):
        made = make()
    made.to_empty(device="cpu")
    draw_anew(made, generator)
    return made


def draw_anew(part: nn.Module, generator: torch.Generator) -> None:
    """Fresh weights for all layers of a network or of a part of one, in place."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.reset_parameters()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


class _PreActBlock(nn.Module):
    def __init__(self, width: int, out: int, *, stride: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.residual = nn.Sequential(_conv(width, out, stride=stride), nn.Conv2d(out, out, 3, padding=1, bias=False))
        changes_shape = stride > 1 or width != out
        self.shortcut = nn.Conv2d(width, out, 1, stride=stride, bias=False) if changes_shape else None

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.norm(x))
        skipped = x if self.shortcut is None else self.shortcut(active)
        return cast("Tensor", self.residual(active) + skipped)


def _conv(width: int, out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


class _Patches(nn.Module):
    """Images (n, channels, h, w) to tokens (n, patches, width), each a square of pixels with its place added."""

    def __init__(self, channels: int, width: int, *, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.embed = nn.Sequential(
            _conv(channels, 24),
            nn.Conv2d(24, width, patch, stride=patch, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        # Whole patches only: what lies at the lower and the right border is seen as well.
        tokens = self.embed(F.pad(images, (0, -width % self.patch, 0, -height % self.patch)))
        return cast("Tensor", (tokens + _places(tokens)).flatten(2).transpose(1, 2))


class _AttentionBlock(nn.Module):
    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked, self.told = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        n, patches, width = tokens.shape
        parts = self.asked(self.norm1(tokens)).view(n, patches, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        # By hand: the way back through torch's fused attention takes many times as long on a processor.
        looks = torch.softmax(query @ key.transpose(2, 3) / query.shape[3] ** 0.5, dim=3)
        seen = (looks @ value).transpose(1, 2).reshape(n, patches, width)
        tokens = tokens + self.told(seen)
        return cast("Tensor", tokens + self.mlp(self.norm2(tokens)))


class _MeanOfTokens(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(dim=1)


def _places(tokens: Tensor) -> Tensor:
    """(width, h, w) sines and cosines of each patch's row and column, at a quarter of the width each."""
    width, rows, columns = tokens.shape[1:]
    waves = 10_000.0 ** -torch.linspace(0, 1, width // 4, device=tokens.device)
    down = (waves[:, None] * torch.arange(rows, device=tokens.device))[:, :, None].expand(-1, -1, columns)
    across = (waves[:, None] * torch.arange(columns, device=tokens.device))[:, None, :].expand(-1, rows, -1)
    return torch.cat([down.sin(), down.cos(), across.sin(), across.cos()])
