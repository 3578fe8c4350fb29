"""Whatever bytes a file holds, reading it ends in a valid set or in one line: never in a crash or another error."""

import gzip
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bezoar.core.errors import InputError
from bezoar.data import Limits, read
from bezoar.data.manifest import describe, read_manifest, write_manifest

SMALL = Limits(pixels=10**6, total_bytes=2**24, file_bytes=2**24, row_bytes=2**20, columns=200, rows=10_000)
FORMS = (
    "folder",
    "idx",
    "idx_gz",
    "arrow",
    "stored.npz",
    "packed.npz",
    "pictures.parquet",
    "words.parquet",
    "table.csv",
    "table.csv.gz",
    "table.jsonl",
)
FUZZED = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def damage(draw):
    """A function that flips bits, cuts, repeats, inserts or overwrites bytes."""
    place, length = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 64))
    kind = draw(st.sampled_from(["flip", "cut", "drop", "repeat", "insert", "zero", "ones"]))
    extra = draw(st.binary(min_size=1, max_size=32))

    def damaged(content):
        at = int(place * len(content))
        head, middle, tail = content[:at], content[at : at + length], content[at + length :]
        return {
            "flip": content[:at] + bytes(byte ^ (1 << length % 8) for byte in content[at : at + 1]) + content[at + 1 :],
            "cut": head,
            "drop": head + tail,
            "repeat": head + middle + middle + tail,
            "insert": head + extra + middle + tail,
            "zero": head + bytes(len(middle)) + tail,
            "ones": head + b"\xff" * len(middle) + tail,
        }[kind]

    return damaged


def check(place):
    """Read; a set that comes out must be whole, an error one line."""
    try:
        data = read(place, limits=SMALL)
    except InputError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2_000
        return
    assert len(data) == len(data.inputs) == len(data.ids) > 0
    assert len(data.merkle_root) == 64
    assert all("\n" not in item.where + item.why and item.why for item in data.unread)


@pytest.mark.parametrize("form", FORMS)
@FUZZED
@given(wounds=st.lists(damage(), min_size=1, max_size=3), pick=st.integers(0, 100))
def test_damaged_files_of_every_form(forms, form, wounds, pick):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, form)
        (shutil.copytree if forms[form].is_dir() else shutil.copy)(forms[form], place)
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        file = files[pick % len(files)]
        content = file.read_bytes()
        for wound in wounds:
            content = wound(content)
        file.write_bytes(content)
        check(place)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.npz", "t.parquet", "t.csv.gz", "train-images-idx3-ubyte"])
@FUZZED
@given(content=st.binary(max_size=300))
def test_random_bytes_under_every_name(name, content):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(content)
        check(Path(folder))


cells = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers()))


@FUZZED
@given(rows=st.lists(st.dictionaries(st.sampled_from(["a", "b", "id", "label"]), cells), max_size=6))
def test_json_cells_of_any_type(rows):
    import json

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        check(Path(folder, "t.jsonl"))


@FUZZED
@given(lines=st.lists(st.lists(st.text(max_size=6), max_size=4), max_size=6), packed=st.booleans())
def test_delimited_cells_of_any_text(lines, packed):
    content = ("a,b,label\n" + "\n".join(",".join(cells) for cells in lines)).encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "t.csv.gz" if packed else "t.csv")
        place.write_bytes(gzip.compress(content) if packed else content)
        check(place)


@pytest.fixture(scope="module")
def manifest(forms, tmp_path_factory):
    data = read(forms["table.csv"])
    return describe(data), write_manifest(data, tmp_path_factory.mktemp("m") / "m.json").read_bytes()


@FUZZED
@given(wound=damage())
def test_a_damaged_manifest_is_noticed(manifest, wound):
    whole, content = manifest
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "m.json").write_bytes(wound(content))
        try:
            assert read_manifest(Path(folder, "m.json")) == whole
        except InputError as error:
            assert "\n" not in str(error)
