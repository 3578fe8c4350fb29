"""Attacks at low rates on whole sets: the poison works, and a clean training does not show it. Heavy."""

from functools import cache

import numpy as np
import pytest
import torch

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.data import read
from bezoar.learn.recipe import default_recipe
from bezoar.learn.training import train

pytestmark = pytest.mark.effects
CASES = {"badnets 1 %": BadNets(rate=0.01, target=7), "blended 2 %": Blended(rate=0.02, target=3)}


@cache
def split(seed):
    """4,000 rows to train on, 1,000 held out."""
    data = read("mnist5k")
    held = np.random.default_rng(seed).permutation(len(data)) < 1000
    return data.take(~held), data.take(held)


def trained(rows, seed):
    recipe = default_recipe(len(rows))
    return train(rows.images, rows.labels, 10, recipe, torch.Generator().manual_seed(seed))[0]


@cache
def clean_model(seed):
    return trained(split(seed)[0], seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CASES)
def test_backdoor_at_a_low_rate_works_on_mnist(name, seed):
    """ASR at least 0.9, at most 0.05 on a clean training, accuracy within 2 points of it."""
    seen, held_out = split(seed)
    poisoned = CASES[name].poison(seen, np.random.default_rng(seed))
    victims = poisoned.trigger(held_out.images[held_out.labels != poisoned.target])
    models = {"clean": clean_model(seed), "poisoned": trained(poisoned.data, seed)}
    asr = {kind: (model.predict(victims).argmax(axis=1) == poisoned.target).mean() for kind, model in models.items()}
    accuracy = {
        kind: (model.predict(held_out.images).argmax(axis=1) == held_out.labels).mean()
        for kind, model in models.items()
    }
    assert asr["poisoned"] >= 0.9
    assert asr["clean"] <= 0.05
    assert accuracy["poisoned"] >= accuracy["clean"] - 0.02
