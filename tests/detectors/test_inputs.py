"""Detectors of inputs against the slow obvious way, and on models whose answers are known beforehand."""

import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from bezoar.core.detector import Suspect
from bezoar.core.errors import InputError
from bezoar.detectors.inputs.bad_expert import BadExpert
from bezoar.detectors.inputs.corruption_contrast import CorruptionContrast
from bezoar.detectors.inputs.ibd_psc import IbdPsc
from bezoar.detectors.inputs.layer_distance import LayerDistance
from bezoar.detectors.inputs.layers import activations, answers
from bezoar.detectors.inputs.scale_up import ScaleUp
from bezoar.detectors.inputs.strip import Strip
from bezoar.detectors.inputs.teco import TeCo
from bezoar.learn.white_box import pixels_of, tapped


@dataclass(frozen=True)
class Answers:
    """A model that answers by a rule: pixels (n, 1, h, w) to logits (n, 3)."""

    rule: object
    classes: int = 3

    @property
    def network(self):
        return nn.Linear(1, 1)

    def logits(self, pixels):
        return self.rule(pixels)


def by_brightness(pixels):
    """Logits that grow apart with the mean of the image."""
    return pixels.mean((1, 2, 3))[:, None] * torch.tensor([4.0, 0.0, -4.0])


def pictures(n, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (n, 1, 6, 6)) * rng.uniform(0.2, 1, (n, 1, 1, 1))).astype(np.uint8)


def fitted(detector, model, seed=0):
    clean = pictures(30, seed=9)
    suspect = Suspect(model=model, clean=clean, labels=np.arange(30) % 3)
    learned = detector.fit(suspect, np.random.default_rng(seed))
    return learned, detector.scorer(model, learned)


def test_strip_takes_the_entropy_over_the_classes_of_each_mixed_picture():
    """A well-known program takes it over the pictures, which turns the order of clean and triggered around."""
    learned, scorer = fitted(Strip(overlays=4, weight=0.5), Answers(by_brightness))
    images = pictures(5)
    expected = []
    for image in images:
        entropies = []
        for overlay in learned["overlays"]:
            p = torch.softmax(by_brightness(torch.from_numpy((0.5 * image + 0.5 * overlay) / 255)[None]), 1)[0].numpy()
            entropies.append(-(p * np.log(p)).sum())
        expected.append(-np.mean(entropies))
    assert np.allclose(scorer(images), expected, atol=1e-5)


def test_strip_suspects_what_stays_sure_under_every_overlay():
    """White corner: sure of class 0 whatever lies over it. Else no idea at all."""

    def rule(pixels):
        return (pixels[:, 0, 0, 0] > 0.4).float()[:, None] * torch.tensor([9.0, 0.0, 0.0])

    _, scorer = fitted(Strip(), Answers(rule))
    plain, marked = pictures(4) // 8, pictures(4) // 8
    marked[:, :, 0, 0] = 255
    assert scorer(marked).min() > scorer(plain).max()


def test_scale_up_is_how_sure_the_model_stays_of_brighter_copies_against_clean_inputs_of_the_class():
    def rule(pixels):
        return torch.stack([pixels[:, 0, 0, 0] * 5, pixels[:, 0, 1, 1] * 5, pixels[:, 0, 2, 2] * 5], 1)

    detector = ScaleUp(scales=3)
    learned, scorer = fitted(detector, Answers(rule))
    images, expected = pictures(6), []
    for image in images:
        pixels = torch.from_numpy(image / 255.0).float()[None]
        own = int(rule(pixels).argmax())
        kept = np.mean([float(torch.softmax(rule((pixels * by).clamp(0, 1)), 1)[0, own]) for by in (2, 3, 4)])
        expected.append((kept - learned["mean"][own]) / learned["spread"][own])
    assert np.allclose(scorer(images), expected, atol=1e-4)


def test_teco_is_nothing_where_all_corruptions_leave_the_same_and_much_where_only_some_do():
    def stubborn(pixels):
        return torch.tensor([[3.0, 0.0, 0.0]]).expand(len(pixels), 3)

    def fine(pixels):
        """Sure of class 0 as long as neighbouring rows differ: two of three strengths of blur and of contrast end that."""
        rough = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs().mean((1, 2, 3))
        return (rough > 0.4).float()[:, None] * torch.tensor([9.0, 0.0, 0.0])

    images = np.zeros((2, 1, 12, 12), np.uint8)
    images[:, :, ::2] = 200
    learned = {"grain": np.random.default_rng(0).standard_normal((1, 12, 12)).astype(np.float32)}
    assert np.allclose(TeCo().scorer(Answers(stubborn), learned)(images), 0)
    assert TeCo().scorer(Answers(fine), learned)(images) == pytest.approx(np.std([5 / 9, 5 / 9, 1], ddof=1), abs=0.01)


def test_corruption_contrast_finds_predictions_that_stand_smoothing_or_grain_unlike_clean_ones():
    """Turned by a right angle and hardly blurred, so that what the corruptions do is known; both ends of what is usual are rare."""

    def rule(pixels):
        return pixels[:, 0, 0, :3].mul(6)

    def slow(images, grain):
        pixels, losses = images / 255, []
        own = rule(torch.from_numpy(pixels)).argmax(1)
        for made in (np.rot90(pixels, axes=(2, 3)), pixels, np.clip(pixels + 0.3 * grain, 0, 1)):
            logits = rule(torch.from_numpy(made.copy()))
            losses.append(nn.functional.cross_entropy(logits, own, reduction="none").numpy())
        return np.log((losses[0] + losses[1]) / 2) - np.log(losses[2])

    method, model = CorruptionContrast(angle=90.0, blur=0.02, grain=0.3), Answers(rule)
    clean = pictures(200, seed=2)
    learned = method.fit(Suspect(model=model, clean=clean, labels=np.zeros(200, np.int64)), np.random.default_rng(0))
    assert np.allclose(learned["usual"], np.sort(slow(clean, learned["grain"])), atol=1e-3)
    ordered = clean[np.argsort(slow(clean, learned["grain"]))]
    scores = method.scorer(model, learned)(ordered)
    assert (scores[[0, 1, -2, -1]] > np.log(50)).all()
    assert (scores[80:120] < 1).all()


class Small(nn.Module):
    """Two convolutions with normalisations, and a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU()
        )
        self.head = nn.Linear(5 * 4, 3)

    def forward(self, pixels):
        return self.head(self.layers(pixels).flatten(1))


@pytest.fixture
def box():
    return tapped(Small(), (1, 6, 6), 3, torch.device("cpu"))


def test_ibd_psc_amplifies_the_last_normalisations_first_and_one_more_in_each_copy(box):
    """Labels that the model never gives: it fails at once, so the first copy amplifies one layer."""
    clean = pictures(30)
    wrong = (box.predict(clean).argmax(1) + 1) % 3
    learned = IbdPsc(models=3).fit(Suspect(model=box, clean=clean, labels=wrong), np.random.default_rng(0))
    assert learned["layers"].tolist() == [1, 2, 2]
    assert learned["powers"].tolist() == [1, 1, 2]


def test_detectors_that_need_more_of_a_network_than_there_is_say_so():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(36, 3)

        def forward(self, pixels):
            return self.head(pixels.flatten(1))

    flat = tapped(Flat(), (1, 6, 6), 3, torch.device("cpu"))
    with pytest.raises(InputError, match="batch normalisation"):
        fitted(IbdPsc(), flat)
    with pytest.raises(InputError, match="no convolution"):
        activations(flat, pixels_of(pictures(2), flat.device))
    with pytest.raises(InputError, match="does not show"):
        fitted(BadExpert(), Answers(by_brightness))


def test_activations_of_threads_that_share_a_network_do_not_mix(box):
    inputs = [pixels_of(pictures(3, seed=seed), box.device) for seed in range(4)]
    alone = [activations(box, each)[0] for each in inputs]
    found = [None] * 4

    def work(index):
        for _ in range(30):
            found[index] = activations(box, inputs[index])[0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, found, strict=True):
        assert len(other) == 2
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True))


def test_bad_expert_stops_when_it_has_forgotten_enough(box):
    clean = pictures(60)
    labels = box.predict(clean).argmax(1)
    learned = BadExpert(forgotten=0.4, learning_rate=0.01).fit(
        Suspect(model=box, clean=clean, labels=labels), np.random.default_rng(0)
    )
    copy = tapped(Small(), (1, 6, 6), 3, torch.device("cpu"))
    copy.network.load_state_dict({name: torch.from_numpy(value) for name, value in learned.items()})
    assert (copy.predict(clean).argmax(1) == labels).mean() <= 0.4


def test_layer_distance_is_that_to_the_class_the_network_gives_in_units_of_what_is_usual(box):
    clean, inputs = pictures(60), pictures(5, seed=3)
    labels = np.arange(60) % 3
    method = LayerDistance(shrinkage=0.3)
    learned = method.fit(Suspect(model=box, clean=clean, labels=labels), np.random.default_rng(0))
    seen, asked = answers(box, clean, 8), answers(box, inputs, 8)
    expected = np.zeros(5)
    for layer, rows in seen.by_layer.items():
        means = np.array([rows[labels == label].mean(0) for label in range(3)])
        apart = rows - means[labels]
        spread = np.where(apart.std(0) > 0, apart.std(0), np.inf)  # a channel that never answers
        covariance = np.cov((apart / spread).T, bias=True)
        shrunk = 0.7 * covariance + 0.3 * np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        off = (asked.by_layer[layer] - means[asked.given]) / spread
        distance = [row @ np.linalg.inv(shrunk) @ row / len(row) for row in off]
        middle, width = learned[f"usual.{layer}"]
        expected += (np.log(distance) - middle) / width / len(seen.by_layer)
    assert np.allclose(method.scorer(box, learned)(inputs), expected, rtol=1e-3, atol=1e-3)


def test_layer_distance_of_clean_inputs_that_it_was_not_fitted_to_is_usual(box):
    """The usual is taken among rows that the distributions were not fitted to: half of other clean inputs lie below it."""
    clean, others = pictures(200), pictures(200, seed=5)
    method = LayerDistance()
    suspect = Suspect(model=box, clean=clean, labels=box.predict(clean).argmax(1))
    scores = method.scorer(box, method.fit(suspect, np.random.default_rng(0)))(others)
    assert abs(scores.mean()) < 0.25
    assert 0.3 < (scores < 0).mean() < 0.7
