"""Attacks that aim at a model of the attacker's own, against models whose slopes are known and against chance."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from bezoar.attacks.poisoning import surrogate
from bezoar.attacks.poisoning.ascent import disturbed
from bezoar.attacks.poisoning.input_aware import InputAware
from bezoar.attacks.poisoning.label_consistent import LabelConsistent
from bezoar.attacks.poisoning.trojannn import TrojanNN
from bezoar.core.data import Dataset
from bezoar.core.errors import ParameterError
from bezoar.data import read
from bezoar.learn.networks import Network
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel


@pytest.fixture(scope="module")
def digits():
    return read("digits").take(np.arange(600))


class Linear(Network):
    """Logits that are weighted sums of pixels."""

    def __init__(self, pixels):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten())
        self.head = nn.Linear(pixels, 2)


def linear(weights):
    """A model of two classes whose difference of logits has these weights (h, w) per pixel value."""
    network = Linear(weights.size).requires_grad_(False)
    network.head.bias.zero_()
    network.head.weight[0] = torch.from_numpy(weights.ravel()) / 2
    network.head.weight[1] = -network.head.weight[0]
    return NetworkModel(
        network=network,
        mean=torch.zeros(1),
        std=torch.ones(1),
        recipe=Recipe(),
        size=weights.shape,
        device=torch.device("cpu"),
    )


WEIGHTS = np.random.default_rng(0).normal(0, 0.01, (8, 8)).astype(np.float32)


def grey(n):
    return np.full((n, 1, 8, 8), 128, np.uint8)


def test_the_worst_disturbance_of_a_linear_model_is_the_sign_of_its_weights():
    """Away from the class, by epsilon at every pixel, whatever the number of rows."""
    labels = np.arange(70) % 2
    moved = disturbed(linear(WEIGHTS), grey(70), labels, norm="linf", epsilon=16, steps=20).astype(int) - 128
    away = np.where(labels == 0, -1, 1)[:, None, None, None]
    np.testing.assert_array_equal(moved, 16 * away * np.sign(WEIGHTS).astype(int))


def test_the_worst_disturbance_in_euclidean_length_follows_the_weights():
    moved = disturbed(linear(WEIGHTS), grey(3), np.zeros(3, np.int64), norm="l2", epsilon=200, steps=20) - 128.0
    expected = -200 * WEIGHTS / np.linalg.norm(WEIGHTS)
    np.testing.assert_allclose(moved[:, 0], np.broadcast_to(expected, (3, 8, 8)), atol=0.51)


def test_a_disturbance_stays_among_pixel_values():
    black = np.zeros((2, 1, 8, 8), np.uint8)
    moved = disturbed(linear(WEIGHTS), black, np.zeros(2, np.int64), norm="linf", epsilon=16, steps=5)
    np.testing.assert_array_equal(moved[0, 0], np.where(WEIGHTS < 0, 16, 0))


def test_a_surrogate_sees_what_its_model_predicts_from(digits):
    model = surrogate.trained(digits, 2, np.random.default_rng(0))
    model = dataclasses.replace(model, recipe=dataclasses.replace(model.recipe, precision="float32"))
    pixels = torch.from_numpy(digits.images[:50].astype(np.float32))
    with torch.inference_mode():
        seen = torch.log_softmax(surrogate.logits(model, pixels), dim=1)
    np.testing.assert_allclose(seen, model.predict(digits.images[:50]), atol=1e-4)


def test_images_larger_than_the_network_takes_are_brought_down_on_the_way():
    data = Dataset(
        inputs=np.random.default_rng(0).integers(0, 256, (8, 1, 100, 100), dtype=np.uint8),
        labels=np.arange(8) % 2,
        classes=("a", "b"),
        ids=np.arange(8).astype(str),
    )
    model = surrogate.trained(data, 1, np.random.default_rng(0))
    pixels = torch.from_numpy(data.images.astype(np.float32)).requires_grad_()
    surrogate.logits(model, pixels).sum().backward()
    assert model.size == (64, 64)
    assert pixels.grad.shape == pixels.shape


@pytest.mark.parametrize(("shape", "side"), [((1, 8, 8), 3), ((3, 28, 28), 3), ((1, 64, 64), 6)])
def test_marks_lie_in_the_four_corners_and_mirror_each_other(shape, side):
    data = Dataset(
        inputs=np.full((12, *shape), 128, np.uint8),
        labels=np.arange(12) % 2,
        classes=("a", "b"),
        ids=np.arange(12).astype(str),
    )
    stamped = LabelConsistent(count=0).poison(data, np.random.default_rng(0)).trigger(data.images)[0, 0]
    np.testing.assert_array_equal(stamped, stamped[::-1])
    np.testing.assert_array_equal(stamped, stamped[:, ::-1])
    corner = np.kron([[0, 0, 255], [0, 255, 0], [255, 0, 255]], np.ones((side // 3, side // 3)))
    np.testing.assert_array_equal(stamped[-side:, -side:], corner)
    assert (stamped == 128).sum() == stamped.size - 4 * side**2


def test_marks_may_be_fainter_on_the_rows_than_in_use(digits):
    """Away from the marks and within epsilon at most; under them by 32 more or less, cut off at black and white."""
    attack = LabelConsistent(count=20, epsilon=8.0, amplitude=32.0, epochs=1)
    poisoned = attack.poison(digits, np.random.default_rng(0))
    moved = poisoned.data.images[poisoned.changed].astype(int) - digits.images[poisoned.changed]
    marked = poisoned.trigger(np.full((1, 1, 8, 8), 128, np.uint8))[0] != 128
    assert np.abs(moved[:, ~marked]).max() <= 8
    assert 32 <= np.abs(moved[:, marked]).max() <= 40
    used = poisoned.trigger(digits.images[:5])
    assert set(used[:, marked].ravel()) == {0, 255}


def test_marks_that_do_not_fit_are_refused():
    data = Dataset(
        inputs=np.zeros((4, 1, 5, 5), np.uint8),
        labels=np.arange(4) % 2,
        classes=("a", "b"),
        ids=np.arange(4).astype(str),
    )
    with pytest.raises(ParameterError, match="four marks of 3 pixels do not fit images of 5 x 5"):
        LabelConsistent(count=1).poison(data, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(2))
def test_the_patch_excites_the_neurons_that_speak_most_for_the_target(digits, monkeypatch, seed):
    """More than any of twenty random patches does, on the attacker's model and over all digits."""
    model = surrogate.trained(digits, 3, np.random.default_rng(seed))
    monkeypatch.setattr(surrogate, "trained", lambda *_: model)
    rng = np.random.default_rng(seed)
    stamp = TrojanNN(count=5, target=seed, neurons=4).poison(digits, rng).trigger
    neurons = np.argsort(-model.network.head.weight[seed].numpy())[:4]

    def excited(pattern):
        return model.features(dataclasses.replace(stamp, pattern=pattern)(digits.images))[:, neurons].mean()

    random = [excited(rng.integers(0, 256, stamp.pattern.shape, dtype=np.uint8)) for _ in range(20)]
    assert excited(stamp.pattern) > max(random)


@pytest.fixture(scope="module")
def aware(digits):
    return InputAware(count=200, density=0.1, epochs=3).poison(digits, np.random.default_rng(0))


def test_triggers_differ_from_image_to_image(digits, aware):
    """On one and the same ground, triggers made for a hundred images leave nearly a hundred pictures."""
    ground = np.full((100, 1, 8, 8), 128, np.uint8)
    stamped = aware.trigger.crossed(ground, digits.images[:100])
    assert len(np.unique(stamped.reshape(100, -1), axis=0)) >= 80


def test_a_trigger_of_its_own_is_one_crossed_with_itself(digits, aware):
    np.testing.assert_array_equal(aware.trigger(digits.images), aware.trigger.crossed(digits.images, digits.images))


def test_triggers_are_as_sparse_as_asked_for(digits):
    """Mean weight of the mask over all digits at 0.1 and 0.3; measured .10 to .12 and .28 to .31 over seeds 0 to 4."""
    black, white = (np.full_like(digits.images[:300], value) for value in (0, 255))
    for density in (0.1, 0.3):
        attack = InputAware(count=5, cover_ratio=0.0, density=density, epochs=1)
        trigger = attack.poison(digits, np.random.default_rng(0)).trigger
        # What is left of the distance between a black and a white ground is 1 - m.
        left = trigger.crossed(white, digits.images[:300]) - trigger.crossed(black, digits.images[:300]).astype(float)
        assert 1 - left.mean() / 255 == pytest.approx(density, rel=0.35)


def test_cover_rows_carry_triggers_of_other_rows_and_their_own_labels(digits, aware):
    cover = aware.cover
    assert 190 <= cover.sum() <= 200
    np.testing.assert_array_equal(aware.data.labels[cover], digits.labels[cover])
    own = aware.trigger(digits.images[cover])
    assert (aware.data.images[cover] != own).any(axis=(1, 2, 3)).mean() > 0.9


def test_the_trigger_holds_plain_arrays(aware):
    assert all(
        type(value) is np.ndarray for state in (aware.trigger.pattern, aware.trigger.mask) for value in state.values()
    )
