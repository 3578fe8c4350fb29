"""WaNet, against displacements known beforehand."""

import numpy as np
import pytest

from bezoar.attacks.poisoning.wanet import WaNet, Warp
from bezoar.core.data import Dataset


def pictures(n=30, shape=(1, 16, 16), value=None):
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (n, *shape)) if value is None else np.full((n, *shape), value)
    labels = np.arange(n) % 3
    return Dataset(inputs=images.astype(np.uint8), labels=labels, classes=tuple("abc"), ids=np.arange(n).astype(str))


def ramp(side, *, down):
    """Pixel values that grow by 10 a pixel, so that a value says where it was fetched from."""
    line = np.arange(side) * 10
    return np.broadcast_to(line[:, None] if down else line, (1, 1, side, side)).astype(np.uint8).copy()


@pytest.mark.parametrize("down", [False, True])
def test_pixels_are_fetched_from_where_the_field_says(down):
    """A grid as fine as the image is not interpolated: a movement u at strength s is s u (side - 1) / (2 side) pixels."""
    side, strength = 12, 1.5
    control = np.random.default_rng(0).uniform(-2, 2, (2, side, side)).astype(np.float32)
    bent = Warp(control=control, strength=strength)(ramp(side, down=down))[0, 0]
    places = np.indices((side, side))[0 if down else 1]
    fetched = (places + strength * control[1 if down else 0] * (side - 1) / (2 * side)).clip(0, side - 1)
    np.testing.assert_allclose(bent, 10 * fetched, atol=0.5 + 1e-3)


def test_the_control_points_move_by_one_on_average():
    trigger = WaNet(count=1, grid=5).poison(pictures(), np.random.default_rng(0)).trigger
    assert trigger.control.shape == (2, 5, 5)
    assert np.abs(trigger.control).mean() == pytest.approx(1)


def test_one_field_bends_images_of_any_size():
    """Twice as many pixels, the same movement of each place in pixels: what is fetched differs by less than a pixel's step."""
    trigger = WaNet(count=1).poison(pictures(), np.random.default_rng(0)).trigger
    small, large = (trigger(ramp(side, down=False))[0, 0] / 10.0 - np.arange(side) for side in (12, 23))
    np.testing.assert_allclose(large[::2, ::2], small, atol=0.15)


def test_flat_images_stay_as_they_are_and_are_no_cover():
    poisoned = WaNet(count=3).poison(pictures(value=90), np.random.default_rng(0))
    assert (poisoned.data.images == 90).all()
    assert poisoned.changed.sum() == 3
    assert not poisoned.cover.any()


def test_cover_rows_are_bent_otherwise_and_keep_their_labels():
    data = pictures(n=60)
    poisoned = WaNet(count=6, cover_ratio=3.0).poison(data, np.random.default_rng(0))
    assert poisoned.cover.sum() == 18
    assert not (poisoned.cover & poisoned.changed).any()
    np.testing.assert_array_equal(poisoned.data.labels[poisoned.cover], data.labels[poisoned.cover])
    regular = poisoned.trigger(data.images[poisoned.cover])
    assert (poisoned.data.images[poisoned.cover] != regular).any(axis=(1, 2, 3)).all()


def test_cover_rows_are_disturbed_by_at_most_half_a_pixel():
    """Without a field, on a ramp of 10 a pixel: 5 and a rounding."""
    still = Warp(control=np.zeros((2, 4, 4), np.float32), strength=1.0)
    moved = still.disturbed(np.repeat(ramp(20, down=True), 50, axis=0), np.random.default_rng(0)) - ramp(
        20, down=True
    ).astype(float)
    assert 4 < np.abs(moved).max() <= 5.5
    assert np.abs(moved.mean(axis=0)[:, 2:-2, 2:-2]).max() < 2


def test_no_cover_is_asked_for_by_a_ratio_of_zero():
    assert not WaNet(count=6, cover_ratio=0.0).poison(pictures(), np.random.default_rng(0)).cover.any()
