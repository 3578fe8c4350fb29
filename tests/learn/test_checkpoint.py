"""Stopped trainings go on where they stopped, and only they."""

import dataclasses
import signal
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from bezoar.core.errors import OutputError
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train

RECIPE = Recipe(epochs=4, batch_size=16, shift=1, flip=True)
ROWS = 50


class StoppedError(Exception):
    """Somebody pressed a key."""


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (ROWS, 3, 9, 8), dtype=np.uint8), rng.integers(0, 3, ROWS)


def trained(data=None, recipe=RECIPE, seed=0, **options):
    model, losses = train(*(data or rows()), 3, recipe, torch.Generator().manual_seed(seed), **options)
    return torch.cat([value.flatten().double() for value in model.network.state_dict().values()]), losses


@cache
def uninterrupted():
    return trained()


def stop_after(passed):
    told = 0

    def progress(count):
        nonlocal told
        told += count
        if told > passed:
            raise StoppedError

    return progress


@pytest.fixture
def stopped(tmp_path):
    """The checkpoint of a training that was stopped in its third epoch."""
    path = tmp_path / "run" / "fold0.safetensors"
    with pytest.raises(StoppedError):
        trained(checkpoint=path, progress=stop_after(2 * ROWS))
    return path


def passed_when_resumed(path, **options):
    """Rows that still had to be passed; the result must be that of a training without a checkpoint."""
    told = []
    network, losses = trained(checkpoint=path, progress=told.append, **options)
    expected_network, expected_losses = trained(**options) if options else uninterrupted()
    assert torch.equal(network, expected_network)
    assert (losses == expected_losses).all()
    assert sum(told) == 4 * ROWS
    return sum(count for count in told if count < ROWS)


def test_a_training_by_halves_resumes_with_the_moments_of_both(tmp_path):
    path = tmp_path / "cured.safetensors"
    with pytest.raises(StoppedError):
        trained(checkpoint=path, progress=stop_after(2 * ROWS), halved=True)
    assert passed_when_resumed(path, halved=True) == 2 * ROWS
    assert passed_when_resumed(path) == 4 * ROWS, "a training in one piece is another training"


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_resumed_training_ends_as_one_that_was_never_stopped(tmp_path, epochs):
    """Weights and losses bit for bit, with augmentation, after one, two or three of four epochs."""
    path = tmp_path / "fold0.safetensors"
    with pytest.raises(StoppedError):
        trained(checkpoint=path, progress=stop_after(epochs * ROWS))
    assert passed_when_resumed(path) == (4 - epochs) * ROWS


def test_finished_training_is_not_done_again(stopped):
    trained(checkpoint=stopped)
    assert passed_when_resumed(stopped) == 0


def test_killed_training_resumes(tmp_path):
    """SIGKILL in the third epoch of another process."""
    path = tmp_path / "fold0.safetensors"
    code = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import torch
        import test_checkpoint as here
        torch.set_num_threads(1)
        told = 0
        def progress(count):
            global told
            told += count
            if told > 2 * here.ROWS:
                os.kill(os.getpid(), signal.SIGKILL)
        here.trained(checkpoint=here.Path({str(path)!r}), progress=progress)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert passed_when_resumed(path) == 2 * ROWS


def other_image():
    images, labels = rows()
    images[25, 1, 4, 4] ^= 1
    return images, labels


def other_label():
    images, labels = rows()
    labels[25] = (labels[25] + 1) % 3
    return images, labels


@pytest.mark.parametrize(
    "another",
    [
        {"data": other_image()},
        {"data": other_label()},
        {"seed": 1},
        {"recipe": dataclasses.replace(RECIPE, learning_rate=1e-3)},
        {"recipe": dataclasses.replace(RECIPE, flip=False)},
    ],
    ids=["one pixel", "one label", "seed", "learning rate", "augmentation"],
)
def test_checkpoint_of_another_training_is_not_resumed(stopped, another):
    assert passed_when_resumed(stopped, **another) == 4 * ROWS


def rewritten(path, change):
    """The checkpoint with its tensors changed and its identity kept: a forgery."""
    with safetensors.safe_open(path, framework="pt") as file:
        identity, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(tensors)
    path.write_bytes(safetensors.torch.save(tensors, identity))


def test_a_forgery_that_changes_nothing_is_resumed(stopped):
    """So that the test below is about what it changes."""
    rewritten(stopped, lambda tensors: None)
    assert passed_when_resumed(stopped) == 2 * ROWS


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("losses"),
        lambda t: t.update(extra=torch.zeros(1)),
        lambda t: t.update(losses=torch.zeros(1)),
        lambda t: t.update(losses=t["losses"].double()),
        lambda t: t["network.head.weight"].fill_(float("nan")),
        lambda t: t.update(generator=torch.zeros_like(t["generator"])),
        lambda t: t.update(epochs=torch.tensor(-1)),
        lambda t: t.update(epochs=torch.tensor(99)),
        lambda t: t.update({"0.exp_avg": torch.zeros(10_000_000)}),
    ],
    ids=["missing", "extra", "shape", "type", "nan", "random state", "negative", "too far", "huge"],
)
def test_forged_checkpoint_starts_afresh(stopped, change):
    rewritten(stopped, change)
    assert passed_when_resumed(stopped) == 4 * ROWS


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:7],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content[:8] + b"x" * 500 + content[508:],
        lambda content: b"\x80\x04\x95" + content,
        lambda content: bytes(range(256)) * 40,
    ],
    ids=["empty", "stump", "half", "one byte short", "header length", "header text", "pickle", "noise"],
)
def test_damaged_checkpoint_starts_afresh(stopped, damage):
    stopped.write_bytes(damage(stopped.read_bytes()))
    assert passed_when_resumed(stopped) == 4 * ROWS


def test_folder_in_the_place_of_the_checkpoint_is_one_clear_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        trained(checkpoint=tmp_path)
