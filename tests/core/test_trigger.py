"""The stamp that mixes a pattern into images, and its file."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezoar.core.errors import InputError, ParameterError
from bezoar.core.trigger import Stamp


def slow(mask, pattern, images):
    """The definition, one pixel at a time."""
    out = np.empty_like(images)
    for index in np.ndindex(images.shape):
        weight = float(mask[index[2:]])
        out[index] = round((1 - weight) * float(images[index]) + weight * float(pattern[index[1:]]))
    return out


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_a_stamp_mixes_as_its_definition_says(seed, empty):
    """Weights are multiples of 1/4, so that the oracle's float64 and the stamp's float32 agree to the last bit."""
    rng = np.random.default_rng(seed)
    mask = (rng.integers(0, 5, (5, 6)) / 4 * (rng.random((5, 6)) >= empty)).astype(np.float32)
    pattern = rng.integers(0, 256, (2, 5, 6), dtype=np.uint8)
    images = rng.integers(0, 256, (3, 2, 5, 6), dtype=np.uint8)
    before = images.copy()
    np.testing.assert_array_equal(Stamp(mask=mask, pattern=pattern)(images), slow(mask, pattern, images))
    np.testing.assert_array_equal(images, before)


def stamp():
    rng = np.random.default_rng(0)
    return Stamp(mask=rng.random((4, 5)).astype(np.float32), pattern=rng.integers(0, 256, (3, 4, 5), dtype=np.uint8))


def test_a_stamp_survives_its_file(tmp_path):
    (tmp_path / "trigger.npz").write_bytes(stamp().to_bytes())
    read = Stamp.read(tmp_path / "trigger.npz")
    np.testing.assert_array_equal(read.mask, stamp().mask)
    np.testing.assert_array_equal(read.pattern, stamp().pattern)


def test_images_of_another_shape_are_refused():
    with pytest.raises(ParameterError, match=r"\(n, 3, 4, 5\). Got \(2, 1, 4, 5\)"):
        stamp()(np.zeros((2, 1, 4, 5), np.uint8))


@pytest.mark.parametrize("weight", [-0.1, 1.1, np.nan])
def test_weights_outside_zero_and_one_are_refused(weight):
    with pytest.raises(ParameterError, match="`mask`"):
        Stamp(mask=np.full((2, 2), weight, np.float32), pattern=np.zeros((1, 2, 2), np.uint8))


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(f"{name}.npy", content)
    return file.getvalue()


def pickled():
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 truncated",
        stamp().to_bytes()[:-30],
        archive(mask=b"\x93NUMPY"),
        archive(mask=pickled(), pattern=pickled()),
        archive(mask=b"\0" * (65 * 1024**2)),
    ],
    ids=["empty", "truncated header", "truncated", "no pattern", "pickled", "bomb"],
)
def test_a_hostile_trigger_file_is_one_clear_error(tmp_path, content):
    (tmp_path / "trigger.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"trigger\.npz: "):
        Stamp.read(tmp_path / "trigger.npz")
