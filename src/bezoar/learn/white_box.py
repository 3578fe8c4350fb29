"""A network opened: differentiable from pixels to features to logits."""

import copy
import dataclasses
import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bezoar.core.errors import InputError
from bezoar.learn.device import computes_in_bfloat16
from bezoar.learn.in_time import InTime
from bezoar.learn.networks import Network
from bezoar.learn.training import NetworkModel

_BATCH = 256
_TOLERANCE = 1e-3
"""By how much the logits of body and head may differ from the network's own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WhiteBox:
    """A network in evaluation mode with the scaling of its inputs. No weight of it asks for a gradient.

    Parameters
    ----------
    network : ``body`` gives features (n, d), ``head`` logits (n, k).
    body : what computes the features: the network's own body, its normalisations folded into the convolutions before
        them, which halves the time of a pass.
    mean, std : (channels,) of pixels on the scale of 0 to 1.
    size : height and width in pixels to which images are brought.
    device : where it lives.
    """

    network: Network
    body: nn.Module
    mean: Tensor
    std: Tensor
    size: tuple[int, int]
    device: torch.device

    @property
    def classes(self) -> int:
        """k, the number of logits."""
        return self.network.head.out_features

    def logits(self, pixels: Tensor) -> Tensor:
        """(n, k) of pixels (n, c, h, w) in [0, 1]."""
        return self.head(self.embed(pixels))

    def embed(self, pixels: Tensor) -> Tensor:
        """(n, d) penultimate features of pixels (n, c, h, w) in [0, 1]."""
        if pixels.shape[2:] != self.size:
            pixels = F.interpolate(pixels, self.size, mode="area")
        scaled = (pixels - self.mean[:, None, None]) / self.std[:, None, None]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=computes_in_bfloat16(self.device)):
            features: Tensor = self.body(scaled.contiguous(memory_format=torch.channels_last))
        return features.float()

    def head(self, features: Tensor) -> Tensor:
        """(n, k) logits of features (n, d)."""
        logits: Tensor = self.network.head(features)
        return logits

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, k) log-probabilities of images (n, c, h, w) uint8."""
        with torch.inference_mode():
            parts = [
                F.log_softmax(self.logits(pixels_of(images[start : start + _BATCH], self.device)), dim=1)
                for start in range(0, len(images), _BATCH)
            ]
            return np.concatenate([part.cpu().numpy() for part in parts] or [np.zeros((0, self.classes), np.float32)])


def pixels_of(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Images (n, c, h, w) uint8 as float32 in [0, 1], channels last."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return pixels.to(torch.float32, memory_format=torch.channels_last).div_(255)


def opened(model: NetworkModel) -> WhiteBox:
    """One of Bezoar's own networks. Its weights are shared, and from now on ask for no gradient."""
    network = _frozen(model.network)
    return folded(
        WhiteBox(
            network=network,
            body=network.body,
            mean=model.mean / 255,
            std=model.std / 255,
            size=model.size,
            device=model.device,
        )
    )


def folded(box: WhiteBox) -> WhiteBox:
    """The same network, its normalisations folded into convolutions for passes; it then must not change any more."""
    body: nn.Module = _folded(copy.deepcopy(_frozen(box.network).body))
    body = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    return dataclasses.replace(box, body=body)


def copied(box: WhiteBox) -> WhiteBox:
    """A copy whose weights may be changed; they ask for gradients."""
    network = copy.deepcopy(box.network).requires_grad_(True)
    return dataclasses.replace(box, network=network, body=network.body)


def tapped(
    network: nn.Module, shape: tuple[int, int, int], classes: int, device: torch.device, seconds: float | None = None
) -> WhiteBox:
    """Anybody's network, which takes pixels in [0, 1]: its last linear layer becomes the head, all before it the body.

    Parameters
    ----------
    shape : (c, h, w) of an image.
    classes : number of logits that it must give.
    seconds : that it may take for a batch: what asks longer raises ``ModelError``, from then on at once.

    Raises
    ------
    InputError
        It fails on images of this shape, gives another number of logits, or does not end in a linear layer.
    """
    network = network.to(device).eval()
    probe = torch.linspace(0, 1, 2 * int(np.prod(shape)), device=device).reshape(2, *shape)
    clock = InTime(name="the network", seconds=seconds, device=device.type)
    whole, called = clock(lambda: _probed(network, probe))
    if whole.shape != (2, classes):
        raise InputError(
            f"the network must give (n, {classes}) logits, one for each class of the data. Got {tuple(whole.shape)}."
        )
    last = next((layer for layer in reversed(called) if layer.out_features == classes), None)
    if last is None:
        raise InputError(f"the network has no linear layer that gives {classes} logits, so its features are unknown.")
    joined = _Tapped(network, last, clock)
    with torch.no_grad():
        apart = (F.log_softmax(whole, 1) - F.log_softmax(joined(probe), 1)).abs().max()
    if not apart <= _TOLERANCE * max(1.0, float(whole.abs().max())):
        raise InputError("the network goes on after its last linear layer, so its features are unknown.")
    _frozen(joined)
    return WhiteBox(
        network=joined,
        body=joined.body,
        mean=torch.zeros(shape[0], device=device),
        std=torch.ones(shape[0], device=device),
        size=(shape[1], shape[2]),
        device=device,
    )


def untapped(box: WhiteBox) -> nn.Module:
    """The network that :func:`tapped` was given, or of a changed copy the copy of it.

    Raises
    ------
    InputError
        None was: it is one of Bezoar's own.
    """
    before = next(box.network.body.children(), None)
    if not isinstance(before, _Before):
        raise InputError("the network is one of Bezoar's own, not somebody's.")
    return before.network


def _probed(network: nn.Module, probe: Tensor) -> tuple[Tensor, list[nn.Linear]]:
    """What a network gives for a probe, and its linear layers in the order in which they were called."""
    called: list[nn.Linear] = []
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(lambda layer, _: called.append(layer)) for layer in layers]
    try:
        with torch.no_grad():
            whole = network(probe)
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the network fails on images of shape {tuple(probe.shape)}: {reason}") from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(whole, Tensor) or whole.ndim != 2:
        raise InputError("the network must give a tensor of logits (n, k).")
    return whole, called


class _Tapped(Network):
    """A network cut in two before its last linear layer."""

    def __init__(self, network: nn.Module, last: nn.Linear, clock: InTime) -> None:
        super().__init__()
        self.head = last
        self.body = nn.Sequential(_Before(network, last, clock))


class _Before(nn.Module):
    """What a layer of a network is given."""

    def __init__(self, network: nn.Module, layer: nn.Linear, clock: InTime) -> None:
        super().__init__()
        self.network = network
        self.clock = clock
        self._layer = [layer]  # in a list, or it would count as a layer of this one

    def forward(self, pixels: Tensor) -> Tensor:
        return self.clock(lambda: self._given(pixels))

    def _given(self, pixels: Tensor) -> Tensor:
        given: list[Tensor] = []
        caller = threading.get_ident()

        def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            # Other threads may pass inputs through the same layer.
            if threading.get_ident() == caller:
                given.append(arguments[0])

        hook = self._layer[0].register_forward_pre_hook(keep)
        try:
            self.network(pixels)
        finally:
            hook.remove()
        return given[-1]


def _folded(part: nn.Module) -> nn.Module:
    """Normalisation that follows a convolution in a sequence becomes part of it. Changes `part`."""
    for child in part.children():
        _folded(child)
    if isinstance(part, nn.Sequential):
        for index in range(len(part) - 1):
            first, second = part[index], part[index + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                part[index], part[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
            elif isinstance(second, nn.MaxPool2d):
                _rectify_after(part, index)
    return part


def _rectify_after(part: nn.Sequential, index: int) -> None:
    """A layer that ends by rectifying before the largest are taken does so afterwards: the same answers from fewer numbers."""
    ends = part[index]
    if isinstance(ends, nn.Sequential) and len(ends) and isinstance(ends[-1], nn.ReLU):
        part[index + 1] = nn.Sequential(part[index + 1], ends[-1])
        ends[-1] = nn.Identity()


def _frozen(network: Network) -> Network:
    return network.eval().requires_grad_(False)
