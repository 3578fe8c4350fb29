"""Perceptual hashes and near pairs, against all pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from bezoar.maths.hashing import Window, near_pairs, perceptual_hashes, window_hashes


def pictures(rng, n=50, size=32):
    """Smooth random pictures, as real ones are."""
    field = gaussian_filter(rng.normal(size=(n, 1, size, size)), sigma=(0, 0, 3, 3))
    return np.clip(128 + 50 * field / field.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(8, 8), (28, 20), (64, 64)])
def test_bits_say_which_low_frequencies_lie_above_their_median(shape):
    """The mean brightness, being the first frequency, has no part in the median."""
    image = np.random.default_rng(0).integers(0, 256, (1, 3, *shape), dtype=np.uint8)
    low = dctn(image[0].mean(axis=0), norm="ortho")[:8, :8].ravel()
    expected = sum(1 << i for i, value in enumerate(low) if value > np.median(low[1:]))
    assert int(perceptual_hashes(image)[0]) == expected


def test_hashes_of_windows_are_those_of_the_cut_out_images():
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 20, 17), dtype=np.uint8)
    windows = [Window(0, 0, 20, 17), Window(3, 1, 15, 16), Window(1, 4, 19, 9), Window(3, 0, 5, 16)]
    for window, hashes in zip(windows, window_hashes(images, windows), strict=True):
        rows, columns = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
        assert np.array_equal(hashes, perceptual_hashes(images[:, :, rows, columns]))


def test_noise_and_brightness_change_few_bits_and_another_picture_many():
    rng = np.random.default_rng(0)
    images = pictures(rng)
    noisy = np.clip(images.astype(int) + rng.integers(-3, 4, images.shape) + 5, 0, 255).astype(np.uint8)
    hashes = perceptual_hashes(images)
    assert np.bitwise_count(hashes ^ perceptual_hashes(noisy)).mean() < 3
    assert np.bitwise_count(hashes[1:] ^ hashes[:-1]).mean() > 15


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 63), st.integers(0, 63)), max_size=12),
    st.integers(0, 4),
)
def test_pairs_are_those_that_comparing_all_finds(hashes, flips, radius):
    """Copies of some hashes with one or two bits turned make near pairs likely."""
    hashes = hashes + [hashes[i] ^ (1 << a) ^ (1 << b) for i, a, b in flips if i < len(hashes)]
    expected = [
        [i, j]
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (hashes[i] ^ hashes[j]).bit_count() <= radius
    ]
    assert near_pairs(np.array(hashes, dtype=np.uint64), radius).tolist() == expected


def test_of_two_sides_only_pairs_across_are_named():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 60, dtype=np.uint64)
    hashes[20:] = hashes[rng.integers(0, 20, 40)]
    apart = rng.random(60) < 0.3
    across = [pair for pair in near_pairs(hashes).tolist() if apart[pair[0]] != apart[pair[1]]]
    assert len(across) > 10
    assert near_pairs(hashes, apart=apart).tolist() == across


def test_a_set_made_to_collide_costs_no_more_than_the_window():
    pairs = near_pairs(np.zeros(5000, dtype=np.uint64), window=4)
    assert len(pairs) <= 4 * 5000


def test_images_smaller_than_the_grid_of_frequencies_are_hashed():
    assert perceptual_hashes(np.zeros((2, 1, 3, 5), dtype=np.uint8)).shape == (2,)
