"""Networks in files that say what they are."""

import json

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from bezoar.core.errors import InputError
from bezoar.learn import saved
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def file(digits, tmp_path_factory):
    recipe = Recipe(epochs=1, batch_size=32)
    model, _ = train(digits.images, digits.labels, 10, recipe, torch.Generator().manual_seed(0))
    return saved.save(tmp_path_factory.mktemp("saved") / "model.safetensors", model, digits.classes), model


def changed(file, path, *, card=None, tensors=None, drop=()):
    """The same file with another card or other tensors."""
    with safetensors.safe_open(file, framework="pt") as source:
        said = json.loads(source.metadata()["bezoar"]) | (card or {})
        held = {name: source.get_tensor(name) for name in source.keys() if name not in drop} | (tensors or {})  # noqa: SIM118
    safetensors.torch.save_file(held, path, {"bezoar": json.dumps(said)})
    return path


def test_a_saved_network_predicts_the_same_when_it_is_read_back(file, digits):
    path, model = file
    again = saved.load(path, CPU)
    np.testing.assert_array_equal(again.model.predict(digits.images), model.predict(digits.images))
    assert again.classes == digits.classes
    assert again.model.recipe == model.recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"card": {"form": "bezoar.network/9"}}, "form"),
        ({"card": {"channels": 0}}, "description"),
        ({"card": {"classes": ["a"]}}, "2 to"),
        ({"card": {"classes": ["a"] * 10}}, "different classes"),
        ({"card": {"classes": list("abcdefghijk")}}, "must be"),
        ({"card": {"recipe": {"architecture": "preact_resnet18"}}}, "does not fit"),
        ({"drop": ("network.head.bias",)}, "head.bias is missing"),
        ({"tensors": {"network.extra": torch.zeros(1)}}, "extra has no place"),
        ({"tensors": {"network.head.bias": torch.full((10,), torch.nan)}}, "not finite"),
        ({"tensors": {"std": torch.zeros(1)}}, "std"),
        ({"drop": ("mean",)}, "mean"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(file, tmp_path, change, message):
    with pytest.raises(InputError, match=message) as raised:
        saved.load(changed(file[0], tmp_path / "other.safetensors", **change), CPU)
    assert "\n" not in str(raised.value)


def test_files_of_others_are_told_apart(tmp_path):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="which architecture"):
        saved.load(path, CPU)
    path.write_bytes(b"\x80\x04N.")
    with pytest.raises(InputError, match="cannot be read"):
        saved.load(path, CPU)
