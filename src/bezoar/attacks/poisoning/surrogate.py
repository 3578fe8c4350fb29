"""A model of the attacker's own, to aim at: an attacker who has the data can train on it, whatever the victim will train."""

import dataclasses

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.data import Dataset
from bezoar.learn.recipe import default_recipe
from bezoar.learn.training import NetworkModel, train

MOST_ROWS = 10_000
"""Rows of larger sets are drawn: a surrogate needs to know the classes, not every row."""


def generator(rng: np.random.Generator) -> torch.Generator:
    """A torch generator that follows from `rng`."""
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def trained(data: Dataset, epochs: int, rng: np.random.Generator) -> NetworkModel:
    """A small network trained on the set for so many passes, on a processor, with weights that stay.

    Raises
    ------
    InputError
        Not a set of images, or fewer than two rows.
    """
    rows = np.arange(len(data))
    if len(rows) > MOST_ROWS:
        rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
    recipe = dataclasses.replace(default_recipe(len(rows)), epochs=epochs)
    model, _ = train(data.images[rows], data.labels[rows], len(data.classes), recipe, generator(rng))
    model.network.requires_grad_(False)
    return model


def features(model: NetworkModel, pixels: Tensor) -> Tensor:
    """(n, d) features of pixels (n, c, h, w) on the scale of 0 to 255, differentiable in them."""
    if pixels.shape[2:] != model.size:
        pixels = F.interpolate(pixels, model.size, mode="area")
    scaled = (pixels - model.mean[:, None, None]) / model.std[:, None, None]
    found: Tensor = model.network.body(scaled.contiguous(memory_format=torch.channels_last))
    return found


def logits(model: NetworkModel, pixels: Tensor) -> Tensor:
    """(n, k) logits of pixels (n, c, h, w) on the scale of 0 to 255, differentiable in them."""
    answers: Tensor = model.network.head(features(model, pixels))
    return answers
