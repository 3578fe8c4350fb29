"""SIG, against the equation of its paper."""

import numpy as np
import pytest

from bezoar.attacks.poisoning.sig import SIG
from bezoar.core.data import Dataset


def grey(width, *, channels=1, value=100):
    images = np.full((20, channels, 5, width), value, np.uint8)
    return Dataset(inputs=images, labels=np.arange(20) % 2, classes=("a", "b"), ids=np.arange(20).astype(str))


@pytest.mark.parametrize(("width", "frequency", "delta"), [(32, 6, 20.0), (28, 6, 20.0), (9, 2, 35.5)])
def test_strips_follow_the_equation_of_the_paper(width, frequency, delta):
    """v(i, j) = delta sin(2 pi j f / m) for columns j = 1 to m, in every channel."""
    poisoned = SIG(count=4, frequency=frequency, delta=delta).poison(grey(width, channels=3), np.random.default_rng(0))
    expected = [100 + delta * np.sin(2 * np.pi * j * frequency / width) for j in range(1, width + 1)]
    changed = poisoned.data.images[poisoned.changed]
    np.testing.assert_allclose(changed, np.broadcast_to(expected, changed.shape), atol=0.5 + 1e-4)


def test_the_trigger_in_use_may_be_stronger_than_the_one_that_was_planted():
    data = grey(16)
    poisoned = SIG(count=4, delta=20.0, test_delta=60.0, frequency=1).poison(data, np.random.default_rng(0))
    planted = poisoned.data.images[poisoned.changed][0].astype(int) - 100
    used = poisoned.trigger(data.images)[0].astype(int) - 100
    np.testing.assert_allclose(used, 3 * planted, atol=2)
    assert used.max() == 60


def test_the_trigger_in_use_is_twice_as_strong_where_nothing_is_said():
    trigger = SIG(count=4, delta=30.0).poison(grey(32), np.random.default_rng(0)).trigger
    np.testing.assert_allclose(
        trigger.signal[0], [60 * np.sin(2 * np.pi * 6 * j / 32) for j in range(1, 33)], atol=1e-4
    )


@pytest.mark.parametrize(("value", "low", "high"), [(0, 0, 20), (255, 235, 255)])
def test_what_leaves_the_range_of_pixels_is_cut_off(value, low, high):
    poisoned = SIG(count=4, frequency=1, delta=20.0).poison(grey(16, value=value), np.random.default_rng(0))
    changed = poisoned.data.images[poisoned.changed]
    assert (changed.min(), changed.max()) == (low, high)
