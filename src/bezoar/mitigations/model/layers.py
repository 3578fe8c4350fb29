"""Convolutions of a network with the normalisations that follow them."""

from collections.abc import Iterator

from torch import nn


def convolutions(network: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Each convolution with the normalisation of its channels that comes next in the network, where one does."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, nn.Conv2d):
            fits = isinstance(following, nn.BatchNorm2d) and following.num_features == layer.out_channels
            yield layer, following if fits and isinstance(following, nn.BatchNorm2d) else None


def normalisations(network: nn.Module) -> list[nn.BatchNorm2d]:
    """Normalisations with a scale and a shift of their own."""
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d) and layer.affine]
