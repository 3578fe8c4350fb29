"""What is written is read back the same, whole or not at all."""

import dataclasses
import string
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError, OutputError
from bezoar.data import read, write

names = st.text(string.ascii_letters + string.digits + " _-/é漢", min_size=1, max_size=6).filter(str.strip)
PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)


def columns(n):
    def of(cells, kind):
        return st.lists(st.one_of(st.none(), cells), min_size=n, max_size=n).map(lambda values: pa.array(values, kind))

    numbers = st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(
        of(st.integers(-(2**31), 2**31 - 1), pa.int32()),
        of(numbers, pa.float64()),
        of(st.booleans(), pa.bool_()),
        of(st.text(max_size=5), pa.string()),
    )


@st.composite
def datasets(draw):
    n = draw(st.integers(1, 8))
    kind = draw(st.sampled_from(["image", "table", "text"]))
    if kind == "image":
        shape = (n, draw(st.sampled_from([1, 3])), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
        inputs = draw(arrays(np.uint8, shape))
    elif kind == "table":
        titles = draw(
            st.lists(st.sampled_from(["a", "Y", "target", "ID", "text", "x", "image"]), min_size=1, unique=True)
        )
        inputs = pa.table({title: draw(columns(n)) for title in titles})
    else:
        inputs = pa.array(draw(st.lists(st.text(max_size=9), min_size=n, max_size=n)), pa.string())
    classes = tuple(draw(st.lists(names, min_size=1, max_size=4, unique=True)))
    sources = st.lists(names, min_size=n, max_size=n)
    return Dataset(
        inputs=inputs,
        labels=np.array(draw(st.lists(st.integers(0, len(classes) - 1), min_size=n, max_size=n)), dtype=np.int64),
        classes=classes,
        ids=np.array(draw(st.lists(names, min_size=n, max_size=n, unique=True))),
        source=draw(st.none() | sources.map(np.array)),
    )


def assert_same(one, other):
    assert one.merkle_root == other.merkle_root
    assert one.classes == other.classes
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.ids, other.ids)
    assert (one.source is None) == (other.source is None)
    if one.source is not None:
        np.testing.assert_array_equal(one.source, other.source)
    if isinstance(one.inputs, np.ndarray):
        np.testing.assert_array_equal(one.inputs, other.inputs)
    else:
        assert one.inputs.equals(other.inputs)


@PROPERTY
@given(data=datasets())
def test_a_set_is_read_back_as_it_was_written(data):
    with tempfile.TemporaryDirectory() as folder:
        file = write(data, Path(folder))
        for place in (folder, file):
            assert_same(read(place), data)


def test_the_order_of_classes_and_classes_without_rows_survive(tmp_path):
    digits = read("digits")
    data = dataclasses.replace(digits, classes=(*digits.classes[::-1], "none"))
    write(data, tmp_path)
    assert_same(read(tmp_path), data)


def test_images_larger_than_the_reading_limit_are_read_back_as_they_were(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 300, 301), dtype=np.uint8)
    data = Dataset(inputs=images, labels=np.array([0, 1]), classes=("a", "b"), ids=np.array(["0", "1"]))
    write(data, tmp_path)
    assert_same(read(tmp_path), data)


def test_columns_with_names_that_the_file_needs_itself_are_refused(tmp_path):
    data = read("breast_cancer")
    data = dataclasses.replace(data, inputs=data.table.append_column("label", [pa.array(data.labels)]))
    with pytest.raises(InputError, match="inputs have columns named label, which Bezoar needs itself"):
        write(data, tmp_path)


def test_a_set_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "data.parquet").mkdir()
    with pytest.raises(OutputError, match=r"data.parquet: cannot be written: .*irectory"):
        write(read("digits"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data.parquet"]


def test_writing_again_replaces_the_whole_set(tmp_path):
    write(read("digits"), tmp_path)
    write(read("breast_cancer"), tmp_path)
    assert_same(read(tmp_path), read("breast_cancer"))
    assert [path.name for path in tmp_path.iterdir()] == ["data.parquet"]
