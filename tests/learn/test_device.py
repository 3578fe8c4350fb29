"""Devices and precision."""

import pytest
import torch

from bezoar.core.errors import ParameterError
from bezoar.learn.device import computes_in_bfloat16, resolve
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import autocast


def test_an_unknown_device_is_named():
    with pytest.raises(ParameterError, match="auto, cpu, cuda or mps. Got 'tpu'"):
        resolve("tpu")


def test_a_device_that_is_absent_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParameterError, match="`device` cuda is not there"):
        resolve("cuda")


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_fastest_device_present(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve("auto").type == chosen


def test_cpu_is_always_there():
    assert resolve("cpu") == torch.device("cpu")


def test_auto_precision_follows_the_processor():
    cpu = torch.device("cpu")
    with autocast(Recipe(), cpu):
        assert torch.is_autocast_enabled("cpu") == computes_in_bfloat16(cpu)


@pytest.mark.parametrize(("precision", "mixed"), [("float32", False), ("bfloat16", True)])
def test_a_precision_asked_for_is_used(precision, mixed):
    with autocast(Recipe(precision=precision), torch.device("cpu")):
        assert torch.is_autocast_enabled("cpu") == mixed
