"""Encoded pictures stay in their parquet file until they are decoded, and that changes nothing but the memory it takes."""

import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bezoar.core.errors import InputError
from bezoar.data import Limits, Roles, read
from bezoar.data.columns import Columns, to_dataset
from bezoar.data.forms import parquet
from bezoar.data.spool import Means
from samples import png

ROWS = 400


def jpeg(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def pictures():
    """Grey ones of one size, some of them again and again; late among them colour, another size, damage, nothing."""
    rng = np.random.default_rng(0)
    files = [png(rng.integers(0, 256, (6, 6), dtype=np.uint8)) for _ in range(ROWS)]
    files[50:150] = [files[row % 3] for row in range(100)]
    files[300] = jpeg(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    files[310] = png(rng.integers(0, 256, (9, 3), dtype=np.uint8))
    files[320] = files[320][:-40]
    files[330] = None
    files[340] = bytes(5_000)
    return files


def texts(values, broken=()):
    """A column of text in which some rows hold bytes that are not UTF-8."""
    content = [b"\xff\xfe" if row in broken else value.encode() for row, value in enumerate(values)]
    return pa.Array.from_buffers(pa.string(), len(content), pa.array(content, pa.binary()).buffers())


def table(pictures, *, nested=False, broken=()):
    column = pa.array(pictures, pa.binary())
    if nested:
        paths = pa.array([f"{row}.png" for row in range(ROWS)])
        column = pa.StructArray.from_arrays([column, paths], ["bytes", "path"])
    return pa.table(
        {
            "image": column,
            "label": pa.array([None if row == 7 else "abc"[row % 3] for row in range(ROWS)]),
            "split": ["train" if row % 4 else "test" for row in range(ROWS)],
            "supplier": [f"s{row % 5}" for row in range(ROWS)],
            "note": texts([f"n{row}" for row in range(ROWS)], broken),
            "key": [f"k{row}" for row in range(ROWS)],
        }
    )


def loaded(path, roles, limits):
    """The slow, obvious way: the whole table first."""
    whole = pq.read_table(path)
    return to_dataset(Columns(table=whole, name=path.name), roles, limits, Means())


def same(got, wanted):
    np.testing.assert_array_equal(got.images, wanted.images)
    np.testing.assert_array_equal(got.labels, wanted.labels)
    np.testing.assert_array_equal(got.ids, wanted.ids)
    np.testing.assert_array_equal(got.source, wanted.source)
    assert (got.row_hashes, got.classes, got.name) == (wanted.row_hashes, wanted.classes, wanted.name)
    assert (got.unread, got.notes) == (wanted.unread, wanted.notes)


LAYOUTS = {
    "one row group": {},
    "many row groups": {"row_group_size": 33},
    "no dictionary": {"use_dictionary": False, "data_page_size": 500},
    "second version": {"data_page_version": "2.0", "row_group_size": 150, "compression": "zstd"},
    "dictionary that runs over": {"dictionary_pagesize_limit": 2_000, "write_batch_size": 8},
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_left_in_the_file_give_what_the_whole_table_gives(tmp_path, pictures, layout, nested, monkeypatch):
    monkeypatch.setattr(parquet, "_PICTURES", 1_000)
    pq.write_table(table(pictures, nested=nested), tmp_path / "t.parquet", **LAYOUTS[layout])
    limits = Limits(row_bytes=4_000)
    data = read(tmp_path / "t.parquet", limits=limits)
    same(data, loaded(tmp_path / "t.parquet", Roles(), limits))
    assert len(data.unread) == 4 and len(data) == ROWS - 4
    assert data.images.shape[1:] == (3, 6, 6), "the guess was grey, and all was read again"


@pytest.mark.parametrize(
    "roles",
    [
        Roles(split="test"),
        Roles(id="key", source="supplier", drop=("note",)),
        Roles(label="supplier", input=("image",), split="train"),
    ],
)
def test_rows_and_roles_are_chosen_as_from_the_whole_table(tmp_path, pictures, roles):
    pq.write_table(table(pictures, broken=(3, 150, 399)), tmp_path / "t.parquet", row_group_size=90)
    data = read(tmp_path / "t.parquet", roles=roles)
    same(data, loaded(tmp_path / "t.parquet", roles, Limits()))
    assert sum("not UTF-8" in item.why for item in data.unread) == 3


def test_what_is_no_table_of_pictures_is_refused_as_before(tmp_path, pictures):
    whole = table(pictures)
    for name, columns, words in (
        ("no label", whole.drop_columns(["label"]), "no label column in t.parquet. Columns: image, split"),
        ("no row", whole.slice(0, 0), "no row could be read. It is empty"),
        ("nothing read", whole.slice(330, 1), "no row could be read. t.parquet: row 0: no picture"),
        ("twice", whole.append_column("label", whole["label"]), "more than one column is named label"),
    ):
        pq.write_table(columns, tmp_path / "t.parquet")
        with pytest.raises(InputError, match=words):
            read(tmp_path / "t.parquet")
            pytest.fail(name)


def test_a_column_whose_name_looks_like_a_part_of_the_pictures_is_not_taken_for_one(tmp_path, pictures):
    whole = table(pictures, nested=True)
    whole = whole.append_column("image.bytes", whole["key"]).append_column("image.size", pa.array(range(ROWS)))
    pq.write_table(whole, tmp_path / "t.parquet")
    same(read(tmp_path / "t.parquet"), loaded(tmp_path / "t.parquet", Roles(), Limits()))


def test_pictures_that_were_stored_as_a_dictionary_are_read(tmp_path, pictures):
    whole = table(pictures)
    pq.write_table(whole.set_column(0, "image", whole["image"].dictionary_encode()), tmp_path / "d.parquet")
    pq.write_table(whole, tmp_path / "t.parquet")
    wanted = read(tmp_path / "t.parquet")
    assert read(tmp_path / "d.parquet").row_hashes == wanted.row_hashes


def test_text_beside_the_pictures_that_is_not_utf8_is_refused_as_before(tmp_path, pictures):
    whole = table(pictures)
    paths = texts([f"{row}" for row in range(ROWS)], broken=(5,))
    nested = pa.StructArray.from_arrays([whole["image"].combine_chunks(), paths], ["bytes", "path"])
    pq.write_table(whole.set_column(0, "image", nested), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="t.parquet: damaged columns: "):
        read(tmp_path / "t.parquet")


def repeated(path, value, rows, **options):
    """A file that names one value once and points to it from every row, as dictionary pages do."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))
    whole = pa.table({"image": column, "label": np.zeros(rows, np.int8)})
    # Arrow's own schema would have it come as a dictionary.
    pq.write_table(whole, path, store_schema=False, **options)


def test_a_dictionary_that_blows_up_is_refused_once_it_passes_the_limit(tmp_path):
    repeated(tmp_path / "t.parquet", b"x" * 2**16, 200_000)
    assert (tmp_path / "t.parquet").stat().st_size < 200_000
    with pytest.raises(InputError, match="unpacks to more than the limit of 10,000,000"):
        read(tmp_path / "t.parquet", limits=Limits(total_bytes=10**7))


def test_a_dictionary_of_long_values_is_read_a_few_rows_at_a_time(tmp_path):
    """As many rows as the mean of the file allows would be 100 times what may be held."""
    value = png(np.zeros((4, 4), np.uint8)) + bytes(2**22)
    repeated(tmp_path / "t.parquet", value, 500)
    seen, held = [], []

    def watched(function, shards):
        for shard in shards:
            seen.append(sum(map(len, shard.files)))
            held.append(pa.total_allocated_bytes())
            yield function(shard)

    data = read(tmp_path / "t.parquet", limits=Limits(total_bytes=2**34), means=Means(spread=watched))
    assert len(data) == 500
    assert max(seen) < 2**24, "no shard holds more than two such pictures"
    assert max(held) < 2**27, "nor does Arrow hold more than 64 MB of them at a time, and the dictionary"


def lies(path, told, places):
    """A copy of a file whose footer tells another number of rows at some of the places where it tells it, or at all."""
    content = path.read_bytes()
    footer = bytearray(content[-int.from_bytes(content[-8:-4], "little") - 8 :])
    found = [match.start() for match in re.finditer(re.escape(varint(ROWS)), footer)]
    for place in range(len(found)) if places is None else places:
        footer[found[place] : found[place] + 2] = varint(told)
    lie = path.with_name("lie.parquet")
    lie.write_bytes(content[: -len(footer)] + footer)
    return lie


def varint(number):
    return bytes([2 * number & 127 | 128, 2 * number >> 7])


@pytest.mark.parametrize("told", [ROWS - 50, ROWS + 50])
@pytest.mark.parametrize("places", [[0], [1], [-1], [0, -1]])
def test_a_file_that_contradicts_itself_about_its_rows_is_refused(tmp_path, pictures, told, places):
    """First the number stands there for the whole file, then for the pictures, at last for the row group."""
    pq.write_table(table(pictures), tmp_path / "t.parquet", use_dictionary=False, write_statistics=False)
    lie = lies(tmp_path / "t.parquet", told, places)
    with pytest.raises(InputError, match="its figures of rows contradict each other"):
        read(lie)


@pytest.mark.parametrize("told", [ROWS - 50, ROWS + 50])
def test_a_file_that_lies_about_its_rows_everywhere_is_refused_or_read_as_arrow_reads_it(tmp_path, pictures, told):
    pq.write_table(table(pictures), tmp_path / "t.parquet", use_dictionary=False, write_statistics=False)
    lie = lies(tmp_path / "t.parquet", told, None)
    assert pq.read_metadata(lie).num_rows == told
    try:
        data = read(lie)
    except InputError:
        return
    same(data, loaded(lie, Roles(), Limits()))


@pytest.mark.parametrize("more", [-1, 1])
def test_pictures_of_more_or_fewer_rows_than_the_other_columns_are_refused(tmp_path, pictures, more, monkeypatch):
    pq.write_table(table(pictures), tmp_path / "t.parquet")
    usual = parquet._InParquet.__len__
    seen = []

    def told(self):
        seen.append(usual(self))
        object.__setattr__(self, "rows", ROWS + more)
        return seen[0]

    monkeypatch.setattr(parquet._InParquet, "__len__", told)
    with pytest.raises(InputError, match="damaged parquet: its columns differ in length"):
        read(tmp_path / "t.parquet")


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_damage_among_the_pictures_is_one_line(tmp_path, pictures, place):
    pq.write_table(table(pictures), tmp_path / "t.parquet", use_dictionary=False, compression="zstd")
    column = pq.read_metadata(tmp_path / "t.parquet").row_group(0).column(0)
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    at = column.data_page_offset + int(place * column.total_compressed_size)
    content[at : at + 40] = bytes(40)
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(InputError, match="t.parquet: damaged parquet") as error:
        read(tmp_path / "t.parquet")
    assert "\n" not in str(error.value)


READER = """
import json, resource, sys
from bezoar.data import read
from bezoar.data.spool import Means

serial = Means(memory=10**9, spread=lambda function, shards: map(function, shards))
def held():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
read(sys.argv[1], means=serial)
before = held()
data = read(sys.argv[2], means=serial)
print(json.dumps({"more": held() - before, "rows": len(data)}))
"""


def saved(place, table, form):
    """The table as a parquet file, or as a folder such as Hugging Face's library makes them."""
    if form == "parquet":
        pq.write_table(table, f"{place}.parquet", compression="none", write_batch_size=8)
        return f"{place}.parquet"
    place.mkdir()
    with (place / "data.arrow").open("wb") as stream, pa.ipc.new_stream(stream, table.schema) as out:
        out.write_table(table, max_chunksize=10)
    (place / "state.json").write_text("{}")
    return str(place)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_reading_takes_far_less_memory_than_the_encoded_pictures(tmp_path, form):
    """160 MB of pictures, in a process that has read a small set before."""
    rng = np.random.default_rng(0)
    # Small pictures with noise after their end, which decoders leave alone: bytes to read, none to decode.
    files = [png(rng.integers(0, 256, (8, 8), dtype=np.uint8)) + rng.bytes(400_000) for _ in range(400)]
    places = []
    for name, some in (("small", files[:20]), ("large", files)):
        whole = pa.table({"image": pa.array(some, pa.binary()), "label": [row % 2 for row in range(len(some))]})
        places.append(saved(tmp_path / name, whole, form))
    # By way of a shell: a process begins with the peak of the one that starts it.
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", READER, *places],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["rows"] == 400
    assert told["more"] < 80e6, "half of the encoded pictures"
