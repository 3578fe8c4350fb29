"""Detectors of models that ask, on models that do what they are told."""

import dataclasses

import numpy as np
import pytest

from bezoar.core.detector import Questioned
from bezoar.detectors.models.fourier_basis import FourierBasis

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
