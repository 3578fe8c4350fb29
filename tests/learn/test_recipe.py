"""Recipes."""

import dataclasses

import pytest

from bezoar.core.errors import ParameterError
from bezoar.learn.recipe import Recipe, default_recipe


@pytest.mark.parametrize(
    ("rows", "epochs"), [(1, 20), (569, 20), (1_250, 20), (5_000, 10), (20_000, 5), (60_000, 3), (10**7, 3)]
)
def test_epochs_fall_as_the_square_root_of_the_rows(rows, epochs):
    """10 sqrt(5,000 / rows), 3 to 20."""
    assert default_recipe(rows).epochs == epochs


def test_the_network_for_gpus_gets_twice_the_passes_in_larger_batches():
    """And the others what is made for a processor."""
    usual, large = default_recipe(20_000), default_recipe(20_000, "preact_resnet18")
    assert large.architecture == "preact_resnet18"
    assert (large.epochs, large.batch_size) == (2 * usual.epochs, 2 * usual.batch_size)
    assert default_recipe(20_000, "vgg") == dataclasses.replace(usual, architecture="vgg")


@pytest.mark.parametrize(
    "wrong",
    [
        {"architecture": "lenet"},
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -1.0},
        {"shift": -1},
        {"flip": 1},
        {"precision": "float16"},
        {"resize": 0},
    ],
)
def test_fields_out_of_range_are_named(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Recipe(**wrong)
