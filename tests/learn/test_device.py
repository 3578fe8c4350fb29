"""Devices and precision."""

import sys
import types

import pytest
import torch
from threadpoolctl import threadpool_info

from bezoar.core.errors import ParameterError
from bezoar.learn import device
from bezoar.learn.device import computes_in_bfloat16, dealt_out, resolve, side_by_side
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


def threads_of_libraries(_):
    """Of those whose number of threads is the same for all callers, as numpy's and scipy's are."""
    return [library["num_threads"] for library in threadpool_info() if library.get("threading_layer") == "pthreads"]


def test_work_side_by_side_has_one_thread_each_for_its_arithmetic_and_the_old_number_after_it():
    before = threads_of_libraries(None)
    found = side_by_side(threads_of_libraries, range(3))
    assert found == [[1] * len(before)] * 3
    assert threads_of_libraries(None) == before


def test_libraries_are_looked_for_again_only_when_modules_have_come(monkeypatch):
    looked = []
    found = device.ThreadpoolController
    monkeypatch.setattr(device, "ThreadpoolController", lambda: looked.append(1) or found())
    device._libraries.cache_clear()
    for _ in range(2):
        side_by_side(abs, [1])
    assert len(looked) == 1
    monkeypatch.setitem(sys.modules, "bezoar_newcomer", types.ModuleType("bezoar_newcomer"))
    side_by_side(abs, [1])
    assert len(looked) == 2


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_results_come_in_the_order_of_the_items(count):
    assert dealt_out(lambda item: -item, iter(range(count))) == [-item for item in range(count)]
