"""Where a decision on suspected inputs comes from: which pixels, and which channels light up for them alone."""

import copy
import dataclasses
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from bezoar.core.report import Evidence, Picture
from bezoar.engine.pictures import picture
from bezoar.learn.white_box import WhiteBox, pixels_of

Images = NDArray[np.uint8]

STEPS = 32
"""Points of the path along which gradients are added up."""
AT_ONCE = 64
SHOWN = 2
"""Suspected inputs whose pixels are shown."""
MOST = 100
"""Inputs of either kind that channels are compared on."""
SELECTIVE = 0.9
"""AUROC from which a channel is said to light up for suspects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel of a convolution, by how well its strongest answer tells suspected inputs from clean ones.

    Parameters
    ----------
    layer : name of the convolution in the network's body.
    index : of the channel.
    auroc : of its strongest answer, over positions.
    above : share of suspected inputs that excite it more than any clean input does.
    lead : difference of the mean answers in standard deviations of the clean ones.
    """

    layer: str
    index: int
    auroc: float
    above: float
    lead: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """For the report: pictures, and the channels through which the decision passes, layer by layer."""

    pictures: tuple[Picture, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def attributed(box: WhiteBox, suspects: Images, clean: Images, target: int, name: str) -> Attribution:
    """What leads suspected inputs (n, c, h, w) to a class and clean ones not.

    Pixels are shown where captum is installed (``pip install "bezoar[explain]"``); channels are always compared.

    Parameters
    ----------
    target : class index.
    name : of the class.
    """
    if not len(suspects) or not len(clean):
        return Attribution()
    path = selective_path(box, suspects[:MOST], clean[:MOST])
    evidence = tuple(
        Evidence(
            name=f"channel {channel.index} of layer {channel.layer}: suspected inputs that excite it more than any clean one",
            value=channel.above,
            n=len(suspects[:MOST]),
            note=f"AUROC {channel.auroc:.2f}, {channel.lead:.1f} standard deviations of clean inputs",
        )
        for channel in path
        if channel.auroc >= SELECTIVE
    )
    pictures = _pixels(box, suspects[:SHOWN], clean, target, name) if importlib.util.find_spec("captum") else ()
    strongest = max(path, key=lambda channel: (channel.above, channel.lead), default=None)
    if strongest is not None and strongest.auroc >= SELECTIVE:
        pictures += _answers(box, strongest, suspects[0], clean[0])
    return Attribution(pictures=pictures, evidence=evidence)


def integrated_gradients(box: WhiteBox, images: Images, baseline: Images, target: int) -> NDArray[np.float64]:
    """(n, h, w) what each pixel adds to the logit of a class, summed over colours, on the way from a baseline (c, h, w).

    References
    ----------
    Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML 2017, equation 1.
    """
    from captum.attr import IntegratedGradients  # type: ignore[import-untyped]  # it ships none

    pixels, start = pixels_of(images, box.device), pixels_of(baseline[None], box.device)
    method = IntegratedGradients(lambda some: box.logits(some)[:, target], multiply_by_inputs=True)
    found: Tensor = method.attribute(
        pixels, baselines=start.expand_as(pixels), n_steps=STEPS, internal_batch_size=AT_ONCE
    )
    return np.asarray(found.detach().sum(dim=1).double().cpu().numpy())


def selective_path(box: WhiteBox, suspects: Images, clean: Images) -> tuple[Channel, ...]:
    """The most selective channel of each convolution, from the first to the last."""
    here, there = _strongest(box, suspects), _strongest(box, clean)
    path = []
    for layer, theirs in there.items():
        own = here[layer]
        n, m = len(own), len(theirs)
        ranks = stats.rankdata(np.concatenate([own, theirs]), axis=0)[:n].sum(axis=0)
        auroc = (ranks - n * (n + 1) / 2) / (n * m)
        above = (own > theirs.max(axis=0)).mean(axis=0)
        lead = (own.mean(axis=0) - theirs.mean(axis=0)) / np.maximum(theirs.std(axis=0), 1e-6)
        best = int(np.lexsort((lead, auroc, above))[-1])
        path.append(
            Channel(layer=layer, index=best, auroc=float(auroc[best]), above=float(above[best]), lead=float(lead[best]))
        )
    return tuple(path)


def _convolutions(body: nn.Module) -> dict[str, nn.Conv2d]:
    return {name or "body": layer for name, layer in body.named_modules() if isinstance(layer, nn.Conv2d)}


def _kept(box: WhiteBox, images: Images) -> Mapping[str, Tensor]:
    """What every convolution answers, (n, channels, h, w) by layer."""
    # A copy: others may pass inputs through the same layers.
    apart = dataclasses.replace(box, body=copy.deepcopy(box.body))
    kept: dict[str, Tensor] = {}
    for name, layer in _convolutions(apart.body).items():
        layer.register_forward_hook(lambda _, __, out, name=name: kept.update({name: out.detach().float()}))
    with torch.inference_mode():
        apart.logits(pixels_of(images, box.device))
    return kept


def _strongest(box: WhiteBox, images: Images) -> dict[str, NDArray[np.float64]]:
    """(n, channels) the strongest answer over positions, by layer."""
    parts = [_kept(box, images[start : start + AT_ONCE]) for start in range(0, len(images), AT_ONCE)]
    return {
        name: np.concatenate([part[name].amax((2, 3)).double().cpu().numpy() for part in parts]) for name in parts[0]
    }


def _pixels(box: WhiteBox, suspects: Images, clean: Images, target: int, name: str) -> tuple[Picture, ...]:
    baseline = np.rint(clean.mean(axis=0)).astype(np.uint8)
    heat = integrated_gradients(box, suspects, baseline, target)
    shown = zip(suspects, heat, strict=True)
    return tuple(picture(_overlaid(image, each), f"what leads to {name}, in red") for image, each in shown)


def _answers(box: WhiteBox, channel: Channel, suspect: Images, clean: Images) -> tuple[Picture, ...]:
    """Where the most selective channel lights up in a suspected and in a clean input, on one scale."""
    found = _kept(box, np.stack([suspect, clean]))[channel.layer][:, channel.index].clamp_min(0)
    height, width = suspect.shape[1:]
    maps = nn.functional.interpolate(found[:, None], (height, width), mode="nearest")[:, 0].cpu().numpy()
    most = max(float(maps.max()), 1e-6)
    captions = ("a suspected input", "a clean input")
    return tuple(
        picture(
            _overlaid(image, each / most, scaled=True), f"channel {channel.index} of layer {channel.layer} on {caption}"
        )
        for image, each, caption in zip((suspect, clean), maps, captions, strict=True)
    )


def _overlaid(image: Images, heat: NDArray[np.floating], *, scaled: bool = False) -> Images:
    """(3, h, w): the image in faint grey with what speaks for the class in red."""
    share = np.clip(heat, 0, None) if scaled else np.clip(heat / max(float(np.abs(heat).max()), 1e-9), 0, None)
    grey = 0.45 * image.astype(np.float64).mean(axis=0)
    red = grey + (255 - grey) * share
    return np.asarray(np.rint(np.stack([red, grey, grey])), dtype=np.uint8)
