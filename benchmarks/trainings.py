"""Trainings of the default network and what they lead to on clean and on stamped test rows."""

import torch

from bezoar.core.attack import Trigger
from bezoar.core.data import Dataset
from bezoar.learn.device import resolve
from bezoar.learn.recipe import default_recipe
from bezoar.learn.training import NetworkModel, train


def trained(data: Dataset, seed: int) -> NetworkModel:
    """The default network, trained on all rows by the default recipe."""
    generator = torch.Generator().manual_seed(seed)
    recipe = default_recipe(len(data))
    return train(data.images, data.labels, len(data.classes), recipe, generator, device=resolve("auto"))[0]


def accuracy(model: NetworkModel, test: Dataset) -> float:
    """Share of the test rows that get their label."""
    return float((model.predict(test.images).argmax(axis=1) == test.labels).mean())


def attack_success(model: NetworkModel, test: Dataset, trigger: Trigger, target: int) -> float:
    """Share of the stamped test rows of other classes that get the target."""
    others = test.rows_not_of(target)
    return float((model.predict(trigger(test.images[others])).argmax(axis=1) == target).mean())
