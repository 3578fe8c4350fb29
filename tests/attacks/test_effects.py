"""Attacks at low rates on whole sets: the poison works, and a clean training does not show it. Heavy."""

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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CASES)
def test_backdoor_at_a_low_rate_works_on_mnist(name, seed):
    """4,000 rows to train on, 1,000 held out: ASR at least 0.9, at most 0.05 on a clean training, accuracy within 2 points."""
    data = read("mnist5k")
    held = np.random.default_rng(seed).permutation(len(data)) < 1000
    seen, held_out = data.take(~held), data.take(held)
    poisoned = CASES[name].poison(seen, np.random.default_rng(seed))
    recipe = default_recipe(len(seen))
    victims = poisoned.trigger(held_out.images[held_out.labels != poisoned.target])
    asr, accuracy = {}, {}
    for kind, rows in (("clean", seen), ("poisoned", poisoned.data)):
        model, _ = train(rows.images, rows.labels, 10, recipe, torch.Generator().manual_seed(seed))
        asr[kind] = (model.predict(victims).argmax(axis=1) == poisoned.target).mean()
        accuracy[kind] = (model.predict(held_out.images).argmax(axis=1) == held_out.labels).mean()
    assert asr["poisoned"] >= 0.9
    assert asr["clean"] <= 0.05
    assert accuracy["poisoned"] >= accuracy["clean"] - 0.02
