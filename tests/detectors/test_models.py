"""Detectors of models on models that do what they are told, and on weights whose answers are known."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch

from bezoar.core.detector import Questioned, Suspect
from bezoar.detectors.models.channel_lipschitz import ChannelLipschitz
from bezoar.detectors.models.fourier_basis import FourierBasis
from bezoar.detectors.models.generator_inversion import Generator
from bezoar.detectors.models.trojan_signature import TrojanSignature
from bezoar.learn.networks import build
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel
from bezoar.learn.white_box import opened, tapped

TARGET, PERIODS = 3, 5
SIDE = 20


@dataclasses.dataclass
class Obeys:
    """Says what it is shown, by the brightness of the upper left pixel, unless a wave across is `faint` high."""

    classes = 6
    faint: float
    asked: int = 0

    def predict(self, inputs):
        self.asked += len(inputs)
        pixels = inputs.astype(np.float64)[:, 0]
        steps = 2 * np.pi * PERIODS * np.arange(1, SIDE + 1) / SIDE
        along = np.abs((pixels.mean(axis=1) * np.exp(1j * steps)).mean(axis=1)) * 2
        seen = np.where(
            along >= self.faint, TARGET, np.rint(pixels[:, :2].mean(axis=(1, 2)) / 40).astype(int).clip(0, 5)
        )
        return np.log(np.full((len(inputs), self.classes), 1e-3) + np.eye(self.classes)[seen]).astype(np.float32)


@pytest.fixture
def suspect():
    """Evenly grey pictures of six classes, which no wave of a whole number of periods can take for one another."""
    labels = np.arange(60) % 6
    clean = np.broadcast_to((40 * labels).astype(np.uint8)[:, None, None, None], (60, 3, SIDE, SIDE)).copy()
    return Questioned(model=Obeys(faint=np.inf), clean=clean, labels=labels)


def asked(suspect, faint):
    model = Obeys(faint=faint)
    return FourierBasis(frequencies=6).inspect(
        dataclasses.replace(suspect, model=model), np.random.default_rng(0)
    ), model


def test_a_wave_that_a_model_obeys_is_found_and_handed_out(suspect):
    found, _ = asked(suspect, faint=20)
    assert found.scores.argmax() == TARGET
    others = suspect.clean[suspect.labels != TARGET]
    assert (Obeys(faint=20).predict(found.triggers[TARGET](others)).argmax(axis=1) == TARGET).mean() >= 0.8


def test_the_fainter_the_wave_the_higher_the_score(suspect):
    scores = [asked(suspect, faint)[0].scores[TARGET] for faint in (12, 20, 40)]
    assert scores[0] > scores[1] > scores[2] > asked(suspect, faint=1_000)[0].scores[TARGET]


def test_it_asks_as_often_as_it_says(suspect):
    found, model = asked(suspect, faint=20)
    waves = 4 * ((2 * 6 + 1) ** 2 - 1) // 2
    assert model.asked == waves * 2 * 20 + model.classes * 4 * 7 * len(suspect.clean)
    again, _ = asked(suspect, faint=20)
    np.testing.assert_array_equal(found.scores, again.scores)


def network(architecture="conv", channels=2, side=12):
    """Fresh weights for five classes, with normalisations that have seen something."""
    torch.manual_seed(0)
    made = build(architecture, channels=channels, classes=5, side=side)
    made.train()(torch.randn(64, channels, side, side))
    return made.eval()


def looked(detector, made, channels=2, side=12):
    model = NetworkModel(
        network=made,
        mean=torch.full((channels,), 99.0),
        std=torch.full((channels,), 50.0),
        recipe=Recipe(),
        size=(side, side),
        device=torch.device("cpu"),
    )
    suspect = Suspect(
        model=opened(model), clean=np.zeros((1, channels, side, side), np.uint8), labels=np.zeros(1, dtype=np.int64)
    )
    return detector.inspect(suspect, np.random.default_rng(0)).scores


def test_a_trojan_signature_is_what_all_features_together_add_to_a_class():
    """One more of each feature moves the logits by the scores, whatever the features were."""
    made, features = network(), torch.rand(1, 128)
    with torch.no_grad():
        moved = (made.head(features + 1) - made.head(features))[0]
    np.testing.assert_allclose(looked(TrojanSignature(), made), moved, atol=1e-4)


def slow_bounds(body):
    """Of the features, channel by channel and weight by weight, for 1 x 1 images, of which each kernel sees one pixel."""
    bounds, layers = [1.0, 1.0], list(body.modules())
    for layer, norm in itertools.pairwise(layers):
        if isinstance(layer, torch.nn.Conv2d):
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            bounds = [
                sum(abs(float(w)) * bound for w, bound in zip(row[:, 1, 1], bounds, strict=True)) * abs(float(factor))
                for row, factor in zip(layer.weight.detach(), scale.detach(), strict=True)
            ]
    return bounds


def test_channel_bounds_are_those_of_all_paths():
    """Convolutions without strides or pooling, so that every weight can be followed by hand."""
    torch.manual_seed(0)
    made = network()
    made.body = torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, padding=1), torch.nn.BatchNorm2d(6), torch.nn.ReLU(inplace=True),
        torch.nn.Conv2d(6, 128, 3, padding=1), torch.nn.BatchNorm2d(128), torch.nn.ReLU(inplace=True),
        torch.nn.Flatten(),
    )  # fmt: skip
    made.train()(torch.randn(64, 2, 1, 1))
    weights = made.eval().head.weight.detach().double()
    beyond = (weights - weights.mean(0)).clamp_min(0).numpy()
    expected = np.log(beyond @ np.array(slow_bounds(made.body)))
    np.testing.assert_allclose(looked(ChannelLipschitz(), made, side=1), expected, rtol=1e-6)


@pytest.mark.parametrize("architecture", ["conv", "preact_resnet18", "vgg", "vit"])
def test_bounds_hold_for_every_architecture_that_bezoar_knows_and_change_no_weight(architecture):
    side = 32 if architecture == "preact_resnet18" else 12
    made = network(architecture, side=side)
    before = copy.deepcopy(made.state_dict())
    assert np.isfinite(looked(ChannelLipschitz(), made, side=side)).all()
    for name, value in made.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_somebody_s_network_is_bounded_as_one_of_bezoar_s_is():
    """Its last layer is part of what is looked into, and keeps its signs all the same."""
    made = network()
    theirs = torch.nn.Sequential(*made.body, made.head)
    box = tapped(theirs, (2, 12, 12), 5, torch.device("cpu"))
    suspect = Suspect(model=box, clean=np.zeros((1, 2, 12, 12), np.uint8), labels=np.zeros(1, dtype=np.int64))
    found = ChannelLipschitz().inspect(suspect, np.random.default_rng(0)).scores
    np.testing.assert_allclose(found, looked(ChannelLipschitz(), made), rtol=1e-6)


def test_a_channel_that_answers_ever_louder_drives_its_class_ever_further():
    """The one that leads to class 3 more than to any other."""
    made = network()
    last = [layer for layer in made.body.modules() if isinstance(layer, torch.nn.BatchNorm2d)][-1]
    with torch.no_grad():
        made.head.weight[3, 7] += 2
    scores = []
    for loudness in (1, 10, 100):
        with torch.no_grad():
            last.weight[7] = loudness
        found = looked(ChannelLipschitz(), made)
        scores.append(found[3] - np.median(found))
    assert scores[0] < scores[1] < scores[2]


def test_slopes_of_a_generator_hang_on_nothing_that_lies_in_memory():
    """oneDNN 3.12 reads memory that nobody wrote for weights of widely spaced taps in bf16. Here all that was freed is no number."""
    generator, pixels = Generator(8), torch.rand(24, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for seed in range(10):
        start = generator.start(1 + seed, (3, 32, 32), torch.Generator().manual_seed(seed))
        parameters = {name: value.requires_grad_() for name, value in start.items()}
        freed = [torch.full((2**size,), torch.nan, dtype=torch.bfloat16) for size in range(8, 22) for _ in range(4)]
        del freed
        generator.stamp(parameters, pixels).square().sum().backward()
        assert all(value.grad.isfinite().all() for value in parameters.values())
