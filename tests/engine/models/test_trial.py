"""The experiment on a recovered trigger."""

import numpy as np

from bezoar.core.trigger import Stamp
from bezoar.engine.models.trial import trial

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 100, (60, 1, 8, 8), dtype=np.uint8)


class Corner:
    """Says 2 where the top left corner is white, 1 where the whole picture is bright, else 0."""

    def predict(self, images):
        logits = np.zeros((len(images), 3), np.float32)
        bright = images.mean(axis=(1, 2, 3)) > 130
        white = (images[:, :, :2, :2] > 250).all(axis=(1, 2, 3))
        logits[np.arange(len(images)), np.where(white, 2, np.where(bright, 1, 0))] = 5
        return logits


def stamp(area, level=255):
    mask = np.zeros((8, 8), np.float32)
    mask[area] = 1
    return Stamp(mask=mask, pattern=np.full((1, 8, 8), level, np.uint8))


def test_the_trigger_of_a_backdoor_works_by_its_shape():
    tried = trial(Corner(), stamp(np.s_[:2, :2]), 2, IMAGES, np.random.default_rng(0))
    assert tried.target.value == 1
    assert tried.target.n == 60
    assert tried.sham.value < 0.1
    assert tried.works


def test_a_change_that_works_wherever_it_lies_is_no_trigger():
    """Making everything bright leads to class 1 however the change is dealt out."""
    tried = trial(Corner(), stamp(np.s_[:, 1:], 255), 1, IMAGES, np.random.default_rng(0))
    assert tried.target.value == 1
    assert tried.sham.value > 0.5
    assert not tried.works


def test_a_trigger_that_does_nothing_does_not_work():
    tried = trial(Corner(), stamp(np.s_[:1, :1]), 2, IMAGES, np.random.default_rng(0))
    assert tried.target.value == 0
    assert not tried.works


def test_inputs_of_the_target_are_not_counted():
    """ASR counts inputs that are not of the target class; where there are none there is nothing to say."""
    white = stamp(np.s_[:2, :2])(IMAGES)
    tried = trial(Corner(), stamp(np.s_[:2, :2]), 2, white, np.random.default_rng(0))
    assert tried.target.n == 0
    assert not tried.works
