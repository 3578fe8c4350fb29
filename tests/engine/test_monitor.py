"""The watch over a model: its alarms, its rate, its file."""

import dataclasses
import json
from functools import cache

import numpy as np
import pytest
import safetensors.numpy
import torch

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.core.errors import InputError, ParameterError
from bezoar.data import read
from bezoar.engine.monitor import load, monitor
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train
from bezoar.learn.white_box import opened
from bezoar.maths.stats import auroc


@cache
def large_digits():
    """Real digits at 28 x 28: half to train on, and half held out."""
    data = read("digits")
    images = np.pad(np.kron(data.images, np.ones((3, 3), np.uint8)), [(0, 0)] * 2 + [(2, 2)] * 2)
    data, order = dataclasses.replace(data, inputs=images), np.random.default_rng(0).permutation(len(data))
    return data.take(order[:900]), data.take(order[900:])


def trained(data, seed):
    recipe = Recipe(epochs=6, batch_size=64)
    return opened(train(data.images, data.labels, 10, recipe, torch.Generator().manual_seed(seed))[0])


@cache
def backdoored():
    poisoned = BadNets(rate=0.1, target=3).poison(large_digits()[0], np.random.default_rng(0))
    return trained(poisoned.data, 0), poisoned.trigger


@cache
def watching(fpr=0.01):
    clean = large_digits()[1].take(np.arange(500))
    return monitor(backdoored()[0], clean.images, clean.labels, rng=np.random.default_rng(0), fpr=fpr)


def test_stamped_inputs_raise_alarms_and_clean_ones_hardly_any():
    """397 held-out digits; clean ones are flagged at 1 % with the noise of 250 null inputs (4 % is five deviations off)."""
    rest = large_digits()[1].take(np.arange(500, 897))
    stamped = backdoored()[1](rest.images[rest.labels != 3])
    clean, bad = watching().watch(rest.images), watching().watch(stamped)
    truth = np.arange(len(rest) + len(stamped)) >= len(rest)
    assert auroc(np.concatenate([clean.score, bad.score]), truth) >= 0.99
    assert bad.flagged.mean() >= 0.9
    assert clean.flagged.mean() <= 0.04


def test_a_monitor_of_a_single_clean_score_is_refused():
    """Such a score has no others to stand beside, whatever the rate."""
    with pytest.raises(InputError, match="3 clean inputs cannot tell"):
        monitor(
            backdoored()[0],
            *(each[:3] for each in (large_digits()[1].images, large_digits()[1].labels)),
            rng=np.random.default_rng(0),
            fpr=0.9,
        )


def test_a_monitor_passes_at_most_ten_pictures_an_input():
    assert watching().passes <= 10


def test_the_share_of_the_clean_inputs_that_set_the_threshold_above_it_is_the_rate():
    """By construction: of 250 null scores 5 % are flagged, rounded down."""
    found = watching(fpr=0.05)
    flags = (1 + (found.null[:, None] <= found.null[None]).sum(1)) / (1 + len(found.null)) <= 0.05
    assert 0.03 <= flags.mean() <= 0.05


def test_batches_are_scored_as_they_come_and_as_if_they_came_together():
    images = large_digits()[1].images[500:560]
    parts = watching().stream(np.split(images, 3))
    first = next(parts)
    whole = watching().watch(images)
    assert np.allclose(np.concatenate([first.score, *(part.score for part in parts)]), whole.score, atol=0.05)
    assert watching().watch(images[:0]).flagged.shape == (0,)


def test_a_saved_monitor_says_the_same_when_it_is_loaded(tmp_path):
    images = large_digits()[1].images[500:560]
    path = watching().save(tmp_path / "monitor.safetensors")
    again = load(path, backdoored()[0])
    np.testing.assert_array_equal(again.watch(images).p_value, watching().watch(images).p_value)
    assert again.fpr == 0.01
    assert path.stat().st_size < 3_000_000


def test_a_monitor_of_another_model_is_refused(tmp_path):
    path = watching().save(tmp_path / "monitor.safetensors")
    with pytest.raises(InputError, match="watches another model"):
        load(path, trained(large_digits()[0].take(np.arange(100)), 1))


def changed(path, change):
    with safetensors.safe_open(path, framework="np") as file:
        card, arrays = json.loads(file.metadata()["bezoar"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(card, arrays)
    path.write_bytes(safetensors.numpy.save(arrays, {"bezoar": json.dumps(card)}))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card, arrays: card.update(form="bezoar.monitor/9"), "is known"),
        (lambda card, arrays: card.update(fpr=2), "is no monitor"),
        (lambda card, arrays: card.update(detectors=[]), "one detector at least"),
        (lambda card, arrays: card.update(detectors=[["duplicates", {}]]), "must be of inputs"),
        (lambda card, arrays: card["detectors"][0][1].update(steps=0), "`steps` must be >= 1"),
        (lambda card, arrays: card["detectors"][0][1].update(color=1), "does not take such settings"),
        (lambda card, arrays: arrays.pop("layer_disagreement.null"), "does not fit"),
        (lambda card, arrays: arrays.update({"layer_disagreement.learned.layers": np.array([77])}), "does not fit"),
        (lambda card, arrays: arrays.update({"bad_expert.learned.head.bias": np.zeros(3, np.float32)}), "does not fit"),
        (lambda card, arrays: arrays.update({"bad_expert.null": np.full(250, np.nan)}), "does not fit"),
        (lambda card, arrays: arrays.update({"bad_expert.null": np.zeros(9)}), "as many clean scores"),
        (
            lambda card, arrays: arrays.update({name: arrays[name][:1] for name in arrays if name.endswith("null")}),
            "two or more",
        ),
    ],
)
def test_a_damaged_monitor_is_refused_with_a_reason(tmp_path, change, message):
    path = changed(watching().save(tmp_path / "monitor.safetensors"), change)
    with pytest.raises((InputError, ParameterError), match=message):
        load(path, backdoored()[0])


def test_what_is_no_monitor_is_refused(tmp_path):
    (tmp_path / "text").write_text("hello")
    for path in (tmp_path / "text", tmp_path / "nothing"):
        with pytest.raises(InputError, match="is no monitor"):
            load(path, backdoored()[0])


def test_a_rate_that_the_clean_inputs_cannot_tell_is_refused():
    box, clean = backdoored()[0], large_digits()[1].take(np.arange(100))
    with pytest.raises(InputError, match=r"100 clean inputs cannot tell a rate of 0.01. 198 can"):
        monitor(box, clean.images, clean.labels, rng=np.random.default_rng(0))
    with pytest.raises(ParameterError, match="`fpr`"):
        monitor(box, clean.images, clean.labels, rng=np.random.default_rng(0), fpr=1.0)
    with pytest.raises(ParameterError, match="at least one"):
        monitor(box, clean.images, clean.labels, rng=np.random.default_rng(0), detectors=(), fpr=0.1)


def test_inputs_of_another_shape_are_refused():
    with pytest.raises(ParameterError, match=r"must be \(n, 1, 28, 28\) uint8"):
        watching().watch(np.zeros((2, 3, 28, 28), np.uint8))
