"""`bezoar triage`, from folders and files to an exit status."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.cli.main import run
from bezoar.data import read, write
from bezoar.learn import saved
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train

TARGET = 3


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A backdoored model, inputs that carry its trigger, and clean ones."""
    folder, data = tmp_path_factory.mktemp("triage"), read("digits")
    poisoned = BadNets(rate=0.05, target=TARGET, size=2).poison(data.take(np.arange(900)), np.random.default_rng(0))
    recipe = Recipe(epochs=6, batch_size=64)
    model, _ = train(poisoned.data.images, poisoned.data.labels, 10, recipe, torch.Generator().manual_seed(0))
    saved.save(folder / "model.safetensors", model, data.classes)
    rest = data.take(np.arange(900, 1200))
    rest = rest.take(rest.rows_not_of(TARGET))
    write(dataclasses.replace(rest, inputs=poisoned.trigger(rest.images), hashed=None), folder / "wrong")
    write(data.take(np.arange(1200, 1500)), folder / "clean")
    return folder


def command(files, out, *more):
    wrong, clean = (next(files.glob(f"{name}*")) for name in ("wrong", "clean"))
    given = ["triage", str(files / "model.safetensors"), "--failures", str(wrong), "--reference", str(clean)]
    return [*given, "--detectors", "maximum_margin", "--out", str(out), *more]


def test_a_trigger_ends_with_1_and_a_report_in_every_format(files, tmp_path, capsys):
    assert run(command(files, tmp_path / "out", "--json")) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["kind"] == "triage"
    assert report["findings"][0]["code"] == "BZ202"
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Failing inputs" in page
    assert "tried by an experiment of its own" in page


def test_the_terminal_names_the_explanation(files, tmp_path, capsys):
    assert run(command(files, tmp_path / "out", "--fail-on", "never")) == 0
    assert "BZ202" in capsys.readouterr().out


def test_a_missing_model_is_one_line(files, tmp_path, capsys):
    asked = command(files, tmp_path / "out")
    asked[1] = str(tmp_path / "none.safetensors")
    assert run(asked) == 2
    said = capsys.readouterr().err.strip()
    assert "no such file" in said
    assert "\n" not in said
