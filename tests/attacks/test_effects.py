"""Attacks at low rates on whole sets: the poison works, and a clean training does not show it. Heavy."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.attacks.poisoning.input_aware import InputAware
from bezoar.attacks.poisoning.label_consistent import LabelConsistent
from bezoar.attacks.poisoning.sig import SIG
from bezoar.attacks.poisoning.trojannn import TrojanNN
from bezoar.attacks.poisoning.wanet import WaNet
from bezoar.data import read
from bezoar.learn.recipe import default_recipe
from bezoar.learn.training import train

pytestmark = pytest.mark.effects
CASES = {
    "badnets 1 %": (BadNets(rate=0.01, target=7), 0.9),
    "blended 2 %": (Blended(rate=0.02, target=3), 0.9),
    "trojannn 1 %": (TrojanNN(rate=0.01), 0.9),
    "wanet 10 %": (WaNet(rate=0.1), 0.85),
    "input_aware 10 %": (InputAware(rate=0.1), 0.8),
    "sig": (SIG(target=7), 0.8),
}
"""Attacks, and the attack success rate that they reach at least."""


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
def test_backdoor_works_on_mnist(name, seed):
    """ASR at most 0.05 on a clean training, accuracy within 2 points of it."""
    seen, held_out = split(seed)
    attack, at_least = CASES[name]
    poisoned = attack.poison(seen, np.random.default_rng(seed))
    victims = poisoned.trigger(held_out.images[held_out.labels != poisoned.target])
    models = {"clean": clean_model(seed), "poisoned": trained(poisoned.data, seed)}
    asr = {kind: (model.predict(victims).argmax(axis=1) == poisoned.target).mean() for kind, model in models.items()}
    accuracy = {
        kind: (model.predict(held_out.images).argmax(axis=1) == held_out.labels).mean()
        for kind, model in models.items()
    }
    assert asr["poisoned"] >= at_least
    assert asr["clean"] <= 0.05
    assert accuracy["poisoned"] >= accuracy["clean"] - 0.02


def test_an_image_with_the_trigger_of_another_keeps_its_class():
    """The cross-trigger test of the paper, on a model on which own triggers work; measured .82 and .83 of seeds 0 and 1."""
    seen, held_out = split(0)
    poisoned = InputAware(rate=0.1).poison(seen, np.random.default_rng(0))
    others = held_out.rows_not_of(0)
    images = held_out.images[others]
    crossed = poisoned.trigger.crossed(images, np.roll(images, 1, axis=0))
    answers = trained(poisoned.data, 0).predict(crossed).argmax(axis=1)
    assert (answers == held_out.labels[others]).mean() >= 0.7


def test_label_consistent_poison_works_on_photographs():
    """CIFAR-10, 4 % of 8,000 rows: ASR at least 0.7, at most 0.1 on a clean training."""
    folder = os.environ.get("BEZOAR_DATA")
    if not folder:
        pytest.skip("BEZOAR_DATA names no folder of real data sets")
    data = read(str(Path(folder) / "image" / "cifar10_test.parquet"))
    seen, held_out = data.take(np.arange(8_000)), data.take(np.arange(8_000, 10_000))
    poisoned = LabelConsistent(rate=0.04).poison(seen, np.random.default_rng(0))
    victims = poisoned.trigger(held_out.images[held_out.rows_not_of(0)])
    backdoored, clean = (
        (trained(rows, 0).predict(victims).argmax(axis=1) == 0).mean() for rows in (poisoned.data, seen)
    )
    assert backdoored >= 0.7
    assert clean <= 0.1
