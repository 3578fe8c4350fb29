"""A model that runs apart can hang, crash or lie, and this process goes on."""

import ctypes
import functools
import os
import sys
import time

import numpy as np
import pytest

from bezoar.core.errors import InputError, ModelError
from bezoar.learn.apart import Apart, rehearse

IMAGES = np.arange(5 * 12, dtype=np.uint8).reshape(5, 3, 2, 2)


def opener(kind):
    """What the other process calls; it finds the model by name here."""
    return functools.partial(made, kind)


def made(kind):
    if kind == "slow to open":
        time.sleep(60)
    if kind == "crashes on opening":
        os._exit(3)
    if kind == "does not open":
        raise RuntimeError("no\nsuch weights")
    return functools.partial(predict, kind)


def predict(kind, images):
    scores = images.reshape(len(images), -1)[:, :3].astype(np.float64)
    while kind == "sleeps" and len(images) == 4:
        time.sleep(1)
    while kind == "spins" and len(images) == 4:
        pass
    if kind == "crashes":
        ctypes.string_at(0)
    if kind == "leaves":
        os._exit(0)
    if kind == "raises":
        raise RuntimeError("odd \x1b[31m size")
    if kind == "NaN":
        scores[1, 1] = np.nan
    if kind == "prints":
        print("owned")
        print("owned", file=sys.stderr)
    return {"wide": scores[:, :2], "flat": scores[:, 0], "text": "high"}.get(kind, scores)


def apart(kind, seconds=5.0):
    return Apart(opener=opener(kind), classes=3, name="m", seconds=seconds)


def test_it_predicts_as_it_would_here():
    """The oracle is the log-softmax of the first three bytes of each image."""
    scores = IMAGES.reshape(5, -1)[:, :3].astype(np.float64)
    expected = (
        scores
        - np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1, keepdims=True))
        - scores.max(1, keepdims=True)
    )
    with apart("") as model:
        np.testing.assert_allclose(model.predict(IMAGES), expected, atol=1e-5)
        assert model.predict(IMAGES[:0]).shape == (0, 3)
        assert model.predict(np.repeat(IMAGES, 500, axis=0)).shape == (2500, 3)
        assert model.asked == 2505


@pytest.mark.parametrize("kind", ["sleeps", "spins"])
def test_a_model_that_hangs_is_ended_in_time_and_not_asked_again(kind):
    """It answers at first."""
    with apart(kind, 2) as model:
        model.predict(IMAGES[:1])
        for _ in range(2):
            with pytest.raises(ModelError, match="model m hangs: 4 inputs took more than 2 seconds"):
                model.predict(IMAGES[1:])


@pytest.mark.parametrize("kind", ["crashes", "leaves"])
def test_a_model_that_ends_its_process_ends_no_other(kind):
    with apart(kind) as model:
        for _ in range(2):
            with pytest.raises(ModelError, match="model m crashes"):
                model.predict(IMAGES)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("raises", "the model fails: RuntimeError: odd  .31m size"),
        ("NaN", "NaN or infinity for 1 of 5"),
        ("wide", r"\(5, 3\).*\(5, 2\)"),
        ("flat", r"\(5, 3\)"),
        ("text", "array of numbers"),
    ],
)
def test_answers_that_mean_nothing_are_one_line(kind, said):
    with apart(kind) as model, pytest.raises(InputError, match=said) as raised:
        model.predict(IMAGES)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("does not open", InputError, "no such weights"),
        ("crashes on opening", ModelError, "crashes: its process ended on opening it"),
        ("raises", InputError, "odd"),
    ],
)
def test_a_rehearsal_tells_what_goes_wrong(kind, error, said):
    with pytest.raises(error, match=said):
        rehearse(opener(kind), IMAGES, classes=3, name="m", seconds=0.5)


def test_what_a_model_prints_is_not_what_the_program_says(capfd):
    with apart("prints") as model:
        model.predict(IMAGES)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
