"""Pictures of any kind become one array of bytes."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from bezoar.core.errors import InputError
from bezoar.data import Limits, read
from bezoar.data.images import from_array
from bezoar.data.pictures import InColumn, decode
from samples import png


def decoded(pictures, **limits):
    return decode(InColumn(pa.array(pictures, pa.binary()), Limits(**limits)), Limits(**limits))


def test_grey_and_colour_together_become_colour_with_equal_channels():
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    colour = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    out = decoded([png(grey), png(colour)])
    np.testing.assert_array_equal(out.images, [np.stack([grey] * 3), np.moveaxis(colour, -1, 0)])
    assert out.notes == ("Grey images were turned to colour, as the set holds both.",)


def test_pictures_of_other_sizes_are_brought_to_the_most_common_one():
    common, other = np.full((4, 6), 9, np.uint8), np.full((8, 8), 9, np.uint8)
    out = decoded([png(common), png(other), png(common)])
    np.testing.assert_array_equal(out.images, np.full((3, 1, 4, 6), 9))
    assert out.notes == ("1 of 3 images were resized to 6 x 4.",)


def test_pictures_larger_than_the_longest_side_are_scaled_down_in_proportion():
    out = decoded([png(np.full((400, 100), 7, np.uint8))] * 2, side=40)
    assert out.images.shape == (2, 1, 40, 10)
    assert (out.images == 7).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"])
def test_every_mode_of_a_picture_becomes_eight_bits_in_one_or_three_channels(mode):
    stream = io.BytesIO()
    Image.new(mode, (5, 4), 1 if mode == "1" else 0).save(stream, "TIFF")
    out = decoded([stream.getvalue()])
    assert out.images.shape == (1, 3 if mode in ("P", "RGB", "RGBA", "CMYK") else 1, 4, 5)
    assert out.faults == {}


def test_sixteen_bit_pictures_keep_their_upper_eight_bits():
    deep = np.array([[0, 256, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(decoded([png(deep)]).images, [[[[0, 1, 255]]]])


def test_the_set_as_a_whole_is_bounded():
    with pytest.raises(InputError, match="over the limit of 100 bytes"):
        decoded([png(np.zeros((8, 8), np.uint8))] * 2, total_bytes=100)


def test_more_pictures_than_one_share_keep_their_order():
    pictures = [png(np.full((2, 2), value % 256, np.uint8)) for value in range(700)]
    pictures[300] = b"damaged"
    out = decoded(pictures)
    assert list(out.faults) == [300]
    np.testing.assert_array_equal(np.delete(out.images[:, 0, 0, 0], 300), np.delete(np.arange(700) % 256, 300))


@pytest.mark.parametrize("shape", [(3, 5, 6), (3, 5, 6, 1), (3, 1, 5, 6), (3, 5, 6, 3), (3, 3, 5, 6), (3, 5, 6, 4)])
def test_arrays_of_every_layout_become_channels_first(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    images, faults = from_array(array, "t")
    wanted = array[:, None] if array.ndim == 3 else array if shape[1] in (1, 3) else np.moveaxis(array, -1, 1)[:, :3]
    np.testing.assert_array_equal(images, wanted)
    assert faults == {}


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([0.0, 17.0, 255.0]), [0, 17, 255]),
        (np.array([0, 17, 255], dtype=np.int32), [0, 17, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
    ],
)
def test_pixels_of_every_type_keep_their_meaning(array, wanted):
    assert from_array(array.reshape(1, 1, 3), "t")[0].reshape(-1).tolist() == wanted


def test_a_folder_of_splits_has_the_class_below_the_split(tmp_path):
    for place, value in (("train/cat", 1), ("train/dog", 2), ("test/cat", 3)):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "x.png").write_bytes(png(np.full((2, 2), value, np.uint8)))
    (tmp_path / "train" / "stray.png").write_bytes(png(np.zeros((2, 2), np.uint8)))
    data = read(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.ids.tolist() == ["test/cat/x.png", "train/cat/x.png", "train/dog/x.png"]
    assert [item.why for item in data.unread] == ["not in a class folder; row left out"]
