"""Recovering what was stamped on images."""

import tracemalloc

import numpy as np
import pytest

from bezoar.core.trigger import Stamp
from bezoar.maths.stamps import recover_stamps

SIDE = 16


def pictures(rng, n, channels=1, side=SIDE):
    """Bright blobs in the middle of images whose border of two pixels is always black."""
    y, x = np.mgrid[:side, :side]
    centre = rng.uniform(5, side - 6, (n, 2, 1, 1))
    blob = np.exp(-((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2) / rng.uniform(6, 20, (n, 1, 1)))
    blob[:, [0, 1, -2, -1]] = 0
    blob[:, :, [0, 1, -2, -1]] = 0
    tint = rng.uniform(0.4, 1, (n, channels, 1, 1))
    return np.rint(255 * tint * blob[:, None]).astype(np.uint8)


def patch(row, column, opacity, channels=1):
    mask = np.zeros((SIDE, SIDE), dtype=np.float32)
    mask[row : row + 3, column : column + 3] = opacity
    return Stamp(mask=mask, pattern=np.full((channels, SIDE, SIDE), 255, dtype=np.uint8))


def blend(rng, opacity, channels=1):
    pattern = rng.integers(0, 256, (channels, SIDE, SIDE), dtype=np.uint8)
    return Stamp(mask=np.full((SIDE, SIDE), opacity, dtype=np.float32), pattern=pattern)


@pytest.mark.parametrize("strangers", [0, 5, 10])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("place", [(0, 0), (1, 2), (6, 7), (13, 13)])
def test_opaque_patch_is_recovered_exactly(place, channels, strangers):
    """Mask and pattern, on black borders and in the middle, with up to a tenth of the images unstamped."""
    rng = np.random.default_rng(0)
    planted = patch(*place, 1.0, channels)
    stamped = planted(pictures(rng, 100, channels))
    stamped[:strangers] = pictures(rng, strangers, channels)
    found = recover_stamps(stamped, pictures(rng, 2_000, channels))["patch"]
    np.testing.assert_array_equal(found.mask, planted.mask)
    np.testing.assert_array_equal(found.pattern[:, planted.mask > 0], 255)


@pytest.mark.parametrize("strangers", [0, 8])
def test_patch_of_half_opacity_is_recovered(strangers):
    """All nine pixels and no other; the stamped images differ from the true ones by at most 12 grey levels."""
    rng = np.random.default_rng(0)
    planted = patch(6, 7, 0.5)
    stamped = planted(pictures(rng, 200))
    stamped[:strangers] = pictures(rng, strangers)
    found = recover_stamps(stamped, pictures(rng, 2_000))["patch"]
    np.testing.assert_array_equal(found.mask > 0, planted.mask > 0)
    np.testing.assert_allclose(found.mask, planted.mask, atol=0.12)
    probes = pictures(rng, 200)
    error = np.abs(found(probes).astype(float) - planted(probes))[:, :, planted.mask > 0]
    assert error.mean() <= 12


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("opacity", [0.1, 0.2, 0.3])
def test_blend_is_recovered(opacity, channels):
    """Opacity within .05, pattern correlated at .8 and more, stamped images off by at most 5 grey levels."""
    rng = np.random.default_rng(0)
    planted = blend(rng, opacity, channels)
    found = recover_stamps(planted(pictures(rng, 200, channels)), pictures(rng, 2_000, channels))["blend"]
    assert found.mask[0, 0] == pytest.approx(opacity, abs=0.05)
    assert np.corrcoef(found.pattern.ravel(), planted.pattern.ravel())[0, 1] > 0.8
    probes = pictures(rng, 200, channels)
    assert np.abs(found(probes).astype(float) - planted(probes)).mean() < 5


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_images_carry_no_patch(seed):
    rng = np.random.default_rng(seed)
    assert "patch" not in recover_stamps(pictures(rng, 100), pictures(rng, 2_000))


def test_images_that_never_vary_give_a_stamp_of_what_they_show():
    """Nothing shows how opaque it is, so it counts as opaque."""
    stamped, ordinary = np.full((5, 1, 8, 8), 200, np.uint8), np.zeros((9, 1, 8, 8), np.uint8)
    found = recover_stamps(stamped, ordinary)
    for stamp in found.values():
        np.testing.assert_array_equal(stamp(ordinary), np.full_like(ordinary, 200))
    assert set(found) == {"blend", "patch"}


def test_one_stamped_image_gives_stamps_that_reproduce_it():
    rng = np.random.default_rng(0)
    planted = patch(0, 0, 1.0)
    only = planted(pictures(rng, 1))
    found = recover_stamps(only, pictures(rng, 500))
    assert (found["patch"](pictures(rng, 3))[:, :, :3, :3] == 255).all()


def test_inputs_stay_as_they_were():
    rng = np.random.default_rng(0)
    stamped, ordinary = patch(0, 0, 1.0)(pictures(rng, 50)), pictures(rng, 200)
    before = stamped.copy(), ordinary.copy()
    recover_stamps(stamped, ordinary)
    np.testing.assert_array_equal(stamped, before[0])
    np.testing.assert_array_equal(ordinary, before[1])


def test_large_images_are_sampled_to_bound_memory():
    """1,200 images of 224 x 224 in colour, views of one: a single float32 copy of all would take 720 MB."""
    ordinary = np.broadcast_to(np.zeros((1, 3, 224, 224), np.uint8), (1_200, 3, 224, 224))
    stamped = np.broadcast_to(np.full((1, 3, 224, 224), 90, np.uint8), (30, 3, 224, 224))
    tracemalloc.start()
    found = recover_stamps(stamped, ordinary)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600e6
    assert (found["blend"].pattern == 90).all()
