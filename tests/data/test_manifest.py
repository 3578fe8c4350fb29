"""A manifest says exactly which rows differ, and shows when it was edited."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bezoar.cli.main import run
from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data import Roles, read
from bezoar.data.manifest import Changes, compare, describe, file_digests, read_manifest, write_manifest

CLASSES = ("cat", "dog")
PROPERTY = settings(max_examples=200, deadline=None, derandomize=True)


def dataset(rows):
    """A set of 1x1 images from (id, pixel, label, source)."""
    ids, pixels, labels, sources = zip(*rows, strict=True)
    return Dataset(
        inputs=np.array(pixels, dtype=np.uint8).reshape(-1, 1, 1, 1),
        labels=np.array(labels, dtype=np.int64),
        classes=CLASSES,
        ids=np.array(ids),
        source=np.array(sources),
    )


def rows_with(ids):
    row = st.tuples(ids, st.integers(0, 3), st.integers(0, 1), st.sampled_from(["acme", "zeta"]))
    return st.lists(row, min_size=1, max_size=8, unique_by=lambda row: row[0])


named = rows_with(st.sampled_from([f"row-{letter}" for letter in "abcdefghij"]))


@PROPERTY
@given(old=named, new=named)
def test_named_rows_are_compared_by_id(old, new):
    """The oracle looks up every id in both lists."""
    before, after = {row[0]: row[1:] for row in old}, {row[0]: row[1:] for row in new}
    both = [row[0] for row in old if row[0] in after]
    changes = compare(describe(dataset(old)), describe(dataset(new)))
    assert changes.added == tuple(row[0] for row in new if row[0] not in before)
    assert changes.removed == tuple(row[0] for row in old if row[0] not in after)
    assert changes.changed == tuple(i for i in both if before[i][0] != after[i][0])
    assert changes.relabelled == tuple(i for i in both if before[i][1] != after[i][1])
    assert changes.resourced == tuple(i for i in both if before[i][2] != after[i][2])
    assert changes.reordered == (both != [row[0] for row in new if row[0] in before])
    assert bool(changes) == (old != new)


def numbered(values):
    return dataset([(str(place), *value) for place, value in enumerate(values)])


distinct = st.lists(st.integers(0, 255), min_size=3, max_size=20, unique=True)


@PROPERTY
@given(pixels=distinct, draw=st.data())
def test_removing_numbered_rows_names_just_those(pixels, draw):
    gone = draw.draw(st.sets(st.integers(0, len(pixels) - 1), min_size=1, max_size=len(pixels) - 1))
    values = [(pixel, 0, "acme") for pixel in pixels]
    left = [value for place, value in enumerate(values) if place not in gone]
    changes = compare(describe(numbered(values)), describe(numbered(left)))
    assert changes.removed == tuple(str(place) for place in sorted(gone))
    assert (changes.added, changes.changed, changes.relabelled, changes.reordered) == ((), (), (), False)
    back = compare(describe(numbered(left)), describe(numbered(values)))
    assert back.added == changes.removed


@PROPERTY
@given(pixels=distinct, draw=st.data())
def test_changing_and_relabelling_numbered_rows_names_just_those(pixels, draw):
    places = st.sets(st.integers(0, len(pixels) - 1))
    relabelled, changed = draw.draw(places), draw.draw(places)
    values = [(pixel, 0, "acme") for pixel in pixels]
    images = np.arange(len(pixels) * 2, dtype=np.int64)
    old = dataclasses.replace(numbered(values), inputs=wide(images[: len(pixels)]))
    new_pixels = np.where(
        [place in changed for place in range(len(pixels))], images[len(pixels) :], images[: len(pixels)]
    )
    labels = np.array([int(place in relabelled) for place in range(len(pixels))])
    new = dataclasses.replace(old, inputs=wide(new_pixels), labels=labels)
    changes = compare(describe(old), describe(new))
    assert set(changes.changed) == {str(place) for place in changed}
    assert set(changes.relabelled) == {str(place) for place in relabelled}
    assert (changes.added, changes.removed, changes.renumbered) == ((), (), ())


def wide(values):
    """Each value as an image of its own."""
    return values.astype(np.uint8).reshape(-1, 1, 1, 1)


def test_of_equal_images_the_one_with_the_other_label_is_the_removed_one():
    old = numbered([(5, 0, "acme"), (5, 1, "acme"), (5, 0, "acme")])
    changes = compare(describe(old), describe(numbered([(5, 0, "acme"), (5, 0, "acme")])))
    assert (changes.removed, changes.relabelled, changes.added) == (("1",), (), ())


def test_the_same_set_has_no_changes_and_order_is_told():
    data = dataset([("x", 1, 0, "acme"), ("y", 2, 1, "zeta")])
    assert compare(describe(data), describe(data)) == Changes()
    assert compare(describe(data), describe(data.take(np.array([1, 0])))) == Changes(reordered=True)


def test_a_manifest_states_rows_files_sources_and_the_root_of_the_set(tmp_path, forms):
    data = dataset([("x", 1, 0, "acme"), ("y", 2, 1, "zeta"), ("z", 3, 1, "acme")])
    write_manifest(data, tmp_path / "m.json", file_digests(forms["idx"]))
    manifest = read_manifest(tmp_path / "m.json")
    assert manifest.merkle_root == data.merkle_root
    assert [(supplier.name, supplier.rows) for supplier in manifest.sources] == [("acme", 2), ("zeta", 1)]
    assert manifest.sources[0].merkle_root == data.take(np.array([0, 2])).merkle_root
    assert [file.path for file in manifest.files] == ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]
    assert manifest.files[1].bytes == 8 + 12


EDITS = {
    "a label": lambda m: m["rows"][1].update(label="dog"),
    "a content hash": lambda m: m["rows"][0].update(input="00" * 32),
    "a hash that is none": lambda m: m["rows"][0].update(input="zz"),
    "an id": lambda m: m["rows"][0].update(id="w"),
    "a row": lambda m: m["rows"].pop(),
    "two rows": lambda m: m["rows"].reverse(),
    "the root": lambda m: m.update(merkle_root="00" * 32),
    "the classes": lambda m: m.update(classes=["dog", "cat"]),
    "a file": lambda m: m["files"].append({"path": "x", "bytes": 1, "sha256": ""}),
    "a source's count": lambda m: m["sources"][0].update(rows=9),
    "a new field": lambda m: m.update(approved=True),
    "a field of a wrong type": lambda m: m.update(rows=3),
    "the format": lambda m: m.update(format="bezoar manifest 2"),
    "the digest": lambda m: m.update(digest="0"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_manifest_is_refused_in_one_line(tmp_path, edit):
    data = dataset([("x", 1, 0, "acme"), ("y", 2, 0, "zeta"), ("z", 3, 1, "acme")])
    place = write_manifest(data, tmp_path / "m.json")
    content = json.loads(place.read_text())
    edit(content)
    place.write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        read_manifest(place)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 10**5])
def test_a_file_that_is_no_manifest_is_refused(tmp_path, content):
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(InputError, match=r"m.json"):
        read_manifest(tmp_path / "m.json")


def test_the_command_says_which_rows_differ_and_exits_with_one(tmp_path, capsys):
    place = tmp_path / "t.csv"
    place.write_text("id,a,source,label\nx,1,acme,0\ny,2,acme,1\nz,3,acme,0\n")
    assert run(["manifest", "write", str(place), "--out", str(tmp_path / "m.json")]) == 0
    assert run(["manifest", "verify", str(tmp_path / "m.json"), str(place)]) == 0
    assert "the same 3 rows" in capsys.readouterr().out
    place.write_text("id,a,source,label\nx,1,zeta,0\ny,9,acme,0\nw,3,acme,0\n")
    assert run(["manifest", "verify", str(tmp_path / "m.json"), str(place)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == ["added: w", "removed: z", "changed: y", "relabelled: y", "resourced: x"]


def test_the_command_exits_with_two_where_it_cannot_compare(tmp_path, capsys):
    assert run(["manifest", "write", "digits", "--out", str(tmp_path / "m.json")]) == 0
    assert run(["manifest", "verify", str(tmp_path / "none.json"), "digits"]) == 2
    assert run(["manifest", "verify", str(tmp_path / "m.json"), str(tmp_path / "none")]) == 2
    assert run(["manifest", "verify", str(tmp_path / "m.json"), "digits", "--root", "00"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_unreadable_rows_count_as_a_difference(tmp_path, capsys):
    place = tmp_path / "t.csv"
    place.write_text("id,a,label\nx,1,0\ny,2,1\n")
    assert run(["manifest", "write", str(place), "--out", str(tmp_path / "m.json")]) == 0
    place.write_text("id,a,label\nx,1,0\ny,2,1\nz,3\n")
    assert run(["manifest", "verify", str(tmp_path / "m.json"), str(place)]) == 1
    assert "unread: 1 rows, 0 when the manifest was written" in capsys.readouterr().out


def test_roles_that_differ_show_as_changed_rows(tmp_path):
    (tmp_path / "t.csv").write_text("id,a,b,label\nx,1,4,0\ny,2,5,1\n")
    whole = describe(read(tmp_path / "t.csv"))
    part = describe(read(tmp_path / "t.csv", roles=Roles(drop=("b",))))
    assert compare(whole, part).changed == ("x", "y")
