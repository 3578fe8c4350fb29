"""Pictures are decoded by shards: the short way and the careful way give the same, whoever works."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bezoar.core import digest
from bezoar.core.errors import InputError
from bezoar.core.shards import in_threads
from bezoar.data import Limits, read
from bezoar.data import png as plain
from bezoar.data.images import from_array
from bezoar.data.pictures import InColumn, InFiles, decode
from bezoar.data.spool import Means, is_mapped
from samples import IMAGES, LABELS, ROWS, png

rng = np.random.default_rng(0)


def careful(file):
    """What Pillow's front door makes of a picture: None where it cannot be opened."""
    try:
        with Image.open(io.BytesIO(file), formats=("PNG",)) as picture:
            picture.load()
            return picture.mode, picture.size, picture.tobytes()
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error):
        return None


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (28, 28), (9, 4, 3), (32, 32, 3)])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_plain_file_gives_the_pixels_that_were_written(shape, level):
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=level)
    mode = "L" if len(shape) == 2 else "RGB"
    assert plain.pixels(stream.getvalue(), (shape[1], shape[0])) == (mode, pixels.tobytes())


def test_what_is_not_plain_is_left_to_the_careful_way():
    grey = Image.fromarray(rng.integers(0, 256, (4, 4), dtype=np.uint8))
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "b")
    odd = {"palette": grey.convert("P"), "alpha": grey.convert("LA"), "one bit": grey.convert("1")}
    files = {name: _saved(picture) for name, picture in odd.items()}
    files |= {"text": _saved(grey, pnginfo=info), "jpeg": _saved(grey, "JPEG"), "empty": b""}
    assert {name for name, file in files.items() if plain.pixels(file, (4, 4)) is not None} == set()
    assert plain.pixels(_saved(grey), (4, 5)) is None


def _saved(picture, form="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


SAMPLE = png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(SAMPLE) - 1), byte=st.integers(0, 255), cut=st.integers(0, 30), mended=st.booleans())
@example(place=24, byte=3, cut=0, mended=True)
def test_no_damage_makes_the_short_way_say_other_than_the_careful_way(place, byte, cut, mended):
    """A byte changed and an end cut off, with the checksums of all chunks put right or left wrong."""
    file = bytearray(SAMPLE)
    file[place] = byte
    broken = bytes(file[: len(file) - cut])
    broken = _with_checksums(broken) if mended else broken
    got = plain.pixels(broken, (4, 4))
    if got is not None:
        assert careful(broken) == (got[0], (4, 4), got[1])


def _with_checksums(file):
    out, at = bytearray(file), 8
    while at + 12 <= len(out):
        (length,) = struct.unpack_from(">I", out, at)
        if at + 12 + length > len(out):
            break
        struct.pack_into(">I", out, at + 8 + length, zlib.crc32(out[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(out)


def test_pixels_beyond_the_limit_are_refused_also_of_plain_files():
    decoded = decode(InColumn(pa.array([SAMPLE] * 3, pa.binary()), Limits(pixels=15)), Limits(pixels=15))
    assert set(decoded.faults) == {0, 1, 2}
    assert "4 x 4 pixels is over the limit of 15" in decoded.faults[0]


@pytest.fixture(scope="module")
def mixed():
    """Plain, coloured, large, damaged, missing and over-long pictures, the odd ones late enough to prove guesses wrong."""
    plain_ones = [png(rng.integers(0, 256, (6, 6), dtype=np.uint8)) for _ in range(300)]
    plain_ones[150] = png(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    plain_ones[160] = _saved(Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)), "JPEG")
    plain_ones[170] = png(rng.integers(0, 256, (9, 3), dtype=np.uint8))
    plain_ones[180] = plain_ones[180][:-40]
    plain_ones[190] = b"no picture"
    plain_ones[200] = None
    plain_ones[210] = bytes(5_000)
    return pa.array(plain_ones, pa.binary())


def slowly(files, limits):
    """The obvious reader: look at all, agree on size and colour, then bring each to it."""
    looks = {}
    for row, file in enumerate(files.to_pylist()):
        try:
            with Image.open(io.BytesIO(file if file and len(file) <= limits.row_bytes else b"")) as picture:
                looks[row] = (picture.mode, picture.size, picture.convert("L" if picture.mode == "L" else "RGB"))
        except OSError:
            pass
    sizes = [size for _, size, _ in looks.values()]
    size = max(set(sizes), key=sizes.count)
    colour = any(mode != "L" for mode, _, _ in looks.values())
    images = np.zeros((len(files), 3 if colour else 1, size[1], size[0]), np.uint8)
    for row, (_, own, picture) in looks.items():
        pixels = np.asarray(picture if own == size else picture.resize(size, Image.Resampling.BILINEAR))
        images[row] = pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return images, set(range(len(files))) - set(looks)


def test_shards_give_what_a_slow_reader_gives_and_hash_it(mixed):
    limits = Limits(row_bytes=4_000)
    decoded, (images, unread) = decode(InColumn(mixed, limits), limits), slowly(mixed, limits)
    np.testing.assert_array_equal(decoded.images, images)
    assert set(decoded.faults) == unread == {180, 190, 200, 210}
    assert decoded.hashes == digest.inputs(images)
    assert "1 of 296 images were resized to 6 x 6." in decoded.notes


def test_files_give_what_a_column_gives(mixed, tmp_path):
    limits, paths = Limits(row_bytes=4_000), []
    for row, file in enumerate(mixed.to_pylist()):
        paths.append(tmp_path / f"{row:04d}.png")
        if file is not None:
            paths[-1].write_bytes(file)
    from_files, from_column = decode(InFiles(paths, limits), limits), decode(InColumn(mixed, limits), limits)
    np.testing.assert_array_equal(from_files.images, from_column.images)
    assert from_files.hashes == from_column.hashes
    assert set(from_files.faults) == set(from_column.faults)


def test_a_set_read_with_little_memory_lies_in_a_file_and_is_the_same(tmp_path, mixed):
    table = pa.table({"image": mixed, "label": [str(row % 3) for row in range(300)]})
    pq.write_table(table, tmp_path / "t.parquet")
    spool = tmp_path / "spool"
    spool.mkdir()
    usual = read(tmp_path / "t.parquet")
    small = read(tmp_path / "t.parquet", means=Means(memory=10_000, folder=spool))
    np.testing.assert_array_equal(small.images, usual.images)
    assert (small.row_hashes, small.unread, small.notes) == (usual.row_hashes, usual.unread, usual.notes)
    assert not small.images.flags.owndata
    assert list(spool.iterdir()) == [], "the file has no name: it is gone when the program is"


def test_the_order_in_which_shards_end_changes_nothing(mixed):
    def backwards(function, shards):
        """All shards are worked on last to first, then given in order."""
        shards = list(shards)
        done = [function(shard) for shard in reversed(shards)]
        return iter(done[::-1])

    limits = Limits()
    one, other = (decode(InColumn(mixed, limits), limits, Means(spread=spread)) for spread in (in_threads, backwards))
    np.testing.assert_array_equal(one.images, other.images)
    assert (one.hashes, one.faults, one.notes) == (other.hashes, other.faults, other.notes)


def test_hashes_that_reading_made_are_those_of_the_rows_also_of_parts_and_changed_copies(tmp_path, mixed):
    table = pa.table({"image": mixed, "label": [str(row % 3) for row in range(300)]})
    pq.write_table(table, tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert data.hashed is not None
    changed = data.take(np.arange(50, 90)).with_images(np.array([3, 5]), np.zeros((2, 3, 6, 6), np.uint8))
    assert changed.input_hashes == digest.inputs(changed.images)
    assert changed.with_labels(np.array([0]), 1).input_hashes == digest.inputs(changed.images)


def test_leaves_hash_as_one_leaf_does():
    contents = [hashlib.sha256(bytes([i])).digest() for i in range(4)]
    labels, sources = ["a", "b", "a", "é"], ["", "s", "s", ""]
    wanted = [digest.leaf(*parts) for parts in zip(contents, labels, sources, strict=True)]
    assert digest.leaves(contents, labels, sources) == wanted


@pytest.mark.parametrize("form", ["idx_gz", "packed.npz", "shares.npz", "deep.npz", "holes.npz", "bits.npz"])
def test_arrays_read_with_little_memory_lie_in_a_file_and_are_the_same(form, forms, tmp_path):
    """Packed ones are unpacked there, and numbers of other types turned into bytes there."""
    arrays = {
        "shares.npz": IMAGES / 255,
        "deep.npz": IMAGES.astype(np.int64),
        "holes.npz": np.where(np.arange(ROWS)[:, None, None] % 5 == 3, np.nan, IMAGES.astype(np.float32)),
        "bits.npz": IMAGES > 99,
    }
    if form in arrays:
        np.savez(tmp_path / form, x=arrays[form], y=LABELS)
    path = forms.get(form, tmp_path / form)
    usual, spool = read(path), tmp_path / "spool"
    spool.mkdir()
    few = read(path, means=Means(memory=100, folder=spool))
    np.testing.assert_array_equal(few.images, usual.images)
    assert (few.row_hashes, few.unread) == (usual.row_hashes, usual.unread)
    assert is_mapped(few.images) and not isinstance(few.images, np.memmap)
    assert not is_mapped(usual.images)
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("step", [1, 100])
def test_images_are_turned_into_bytes_a_block_at_a_time_as_they_are_at_once(step, monkeypatch):
    monkeypatch.setattr("bezoar.data.images._VALUES", step * 64)
    array = np.random.default_rng(0).random((20, 8, 8))
    array[7, 0, 0] = np.inf
    images, faults = from_array(array, "t")
    np.testing.assert_array_equal(np.delete(images[:, 0], 7, 0), np.delete(np.rint(array * 255), 7, 0))
    assert list(faults) == [7]
    array[3] *= 300
    with pytest.raises(InputError, match="pixels must be whole in 0 to 255 or fractions in"):
        from_array(array, "t")
