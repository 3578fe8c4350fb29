"""Small models of real digits, clean and backdoored, and a null of clean ones."""

import sys

import numpy as np
import pytest
import torch

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.data import read
from bezoar.engine.models.nulls import shipped
from bezoar.learn import saved
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train

TARGET = 3


@pytest.fixture(scope="session")
def digits():
    """Real digits: two thirds to train on, one third held out."""
    data = read("digits")
    held_out = np.random.default_rng(0).permutation(len(data)) % 3 == 0
    return data.take(~held_out), data.take(held_out)


@pytest.fixture(scope="session")
def null(digits):
    """The one that is shipped for this network on these digits."""
    found = shipped("conv", digits[1])
    assert found is not None
    assert found.shape == (1, 8, 8)
    return found


def trained(data, folder, name):
    recipe = Recipe(epochs=8, batch_size=64)
    model, _ = train(data.images, data.labels, 10, recipe, torch.Generator().manual_seed(5))
    return saved.save(folder / f"{name}.safetensors", model, data.classes)


CODE = """
from torch import nn


class Somebodys(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(64, 48), nn.BatchNorm1d(48), nn.Linear(48, 10)

    def forward(self, pixels):
        return self.last(self.norm(self.first(pixels.flatten(1))).relu())


one = Somebodys()
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """The import path of somebody's network."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "somebodys_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "somebodys_code", raising=False)
    return "somebodys_code:Somebodys"


@pytest.fixture(scope="session")
def models(digits, tmp_path_factory):
    """Files of a clean model and of one with a patch backdoor, by name."""
    folder = tmp_path_factory.mktemp("models")
    poisoned = BadNets(rate=0.05, target=TARGET, size=2).poison(digits[0], np.random.default_rng(0)).data
    return {"clean": trained(digits[0], folder, "clean"), "backdoored": trained(poisoned, folder, "backdoored")}
