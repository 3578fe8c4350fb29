"""Damaged, lying and hostile input ends in one clear line, or in a list of what was not read."""

import gzip
import io
import json
import os
import socket
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bezoar.core.errors import InputError
from bezoar.data import Limits, Roles, read
from bezoar.data.intake import shown
from samples import IMAGES, LABELS, ROWS, idx, png, save_folder


def refused(spec, words, **options):
    """The one line with which `spec` is refused."""
    with pytest.raises(InputError, match=words) as error:
        read(spec, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def png_of_size(width, height):
    """A picture that declares this size and holds next to nothing."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_over_the_pixel_limit_is_listed_with_its_size_and_never_decoded(tmp_path):
    save_folder(tmp_path / "train")
    (tmp_path / "train" / "1" / "img_0031.png").write_bytes(png_of_size(30_000, 30_000))
    data = read(tmp_path / "train")
    assert len(data) == ROWS
    assert [f"{item.where}: {item.why}" for item in data.unread] == [
        "train/1/img_0031.png: 30,000 x 30,000 pixels is over the limit of 50 million; row left out"
    ]
    assert Image.MAX_IMAGE_PIXELS is not None, "Pillow's own limit is back in force for the rest of the program"


def test_damaged_pictures_in_a_folder_are_listed_one_by_one(tmp_path):
    folder = tmp_path / "set"
    save_folder(folder)
    whole = png(IMAGES[0])
    (folder / "0" / "a_cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "0" / "b_empty.png").write_bytes(b"")
    (folder / "0" / "c_text.png").write_text("not a picture")
    (folder / "0" / "d_huge.png").write_bytes(b"\0" * 5_000)
    data = read(folder, limits=Limits(row_bytes=4_000))
    assert len(data) == ROWS
    assert [item.where for item in data.unread] == [f"set/0/{n}.png" for n in ("a_cut", "b_empty", "c_text", "d_huge")]
    assert "5,000 bytes are over the limit of 4,000" in data.unread[3].why


def test_a_folder_where_nothing_can_be_read_gives_the_first_reasons(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "x.png").write_text("no")
    refused(tmp_path, r"no row could be read. .*cat/x.png: not a picture in a known format; row left out")


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(png(IMAGES[0]))
    (tmp_path / "elsewhere").mkdir()
    save_folder(tmp_path / "set")
    (tmp_path / "set" / "0" / "out.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "set" / "0" / "inside.png").symlink_to(tmp_path / "set" / "1" / "img_01.png")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "1" / "self.png").symlink_to("self.png")
    data = read(tmp_path / "set")
    assert len(data) == ROWS + 1
    assert sorted(item.where for item in data.unread) == ["set/0/out.png", "set/1/self.png", "set/loop"]


def test_a_data_file_that_is_a_link_out_of_its_folder_is_not_followed(tmp_path):
    pq.write_table(pa.table({"a": [1, 2], "label": [0, 1]}), tmp_path / "secret.parquet")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.parquet").symlink_to(tmp_path / "secret.parquet")
    refused(tmp_path / "set", "leads out of the folder")


def test_idx_and_arrow_files_that_are_links_out_of_their_folder_are_not_followed(tmp_path, forms):
    for form in ("idx", "arrow"):
        place = tmp_path / form
        place.mkdir()
        for file in forms[form].iterdir():
            (place / file.name).symlink_to(file)
        refused(place, "leads out of the folder")


def test_pipes_and_sockets_are_refused_without_waiting(tmp_path):
    save_folder(tmp_path / "set")
    os.mkfifo(tmp_path / "set" / "0" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "set" / "1" / "s.png"))
        assert {item.why for item in read(tmp_path / "set").unread} >= {"is a pipe, not a file; row left out"}
        assert len(read(tmp_path / "set").unread) == 2
    os.mkfifo(tmp_path / "rows.csv")
    refused(tmp_path / "rows.csv", "is a pipe, not a file")


def test_unreadable_files_and_folders_are_listed(tmp_path):
    save_folder(tmp_path / "set")
    (tmp_path / "set" / "0" / "img_00.png").chmod(0)
    if os.access(tmp_path / "set" / "0" / "img_00.png", os.R_OK):
        pytest.skip("the superuser can read everything")
    (tmp_path / "set" / "2").chmod(0)
    data = read(tmp_path / "set")
    (tmp_path / "set" / "2").chmod(0o700)
    assert len(data.unread) == 2
    assert all("ermission" in item.why for item in data.unread)


def test_an_npz_with_pickled_objects_is_refused_and_nothing_is_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    np.savez(tmp_path / "evil.npz", x=np.array([Payload()] * 2, dtype=object), y=np.array([0, 1]))
    refused(tmp_path / "evil.npz", "holds pickled objects, which may run code. Not read.")
    assert not (tmp_path / "run").exists()


def npy_header(shape, dtype="|u1"):
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_npz_that_lies_about_its_shape_is_refused_before_memory_is_taken(tmp_path, packing):
    labels = io.BytesIO()
    np.save(labels, LABELS)
    with zipfile.ZipFile(tmp_path / "lie.npz", "w", packing) as archive:
        archive.writestr("x.npy", npy_header((2**40, 28, 28)) + b"\0" * 100)
        archive.writestr("y.npy", labels.getvalue())
    refused(tmp_path / "lie.npz", r"declares shape \(1099511627776, 28, 28\) uint8 but holds 100 bytes")


def test_a_packed_npz_bomb_is_refused_by_its_declared_size(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((64, 512, 512), np.uint8), y=np.zeros(64, np.uint8))
    assert (tmp_path / "bomb.npz").stat().st_size < 50_000
    refused(tmp_path / "bomb.npz", "over the limit of 1,000,000", limits=Limits(total_bytes=10**6))


def test_a_packed_npz_bomb_that_understates_its_size_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((64, 64, 64), np.uint8), y=np.zeros(64, np.uint8))
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 64**3 + 128), struct.pack("<I", 5_000)))
    assert path.read_bytes() != content
    refused(path, "bomb.npz: ")


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.jsonl.gz"])
def test_a_gzip_bomb_is_refused_once_it_passes_the_limit(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"a,label\n" + b"1,0\n" * 10**6))
    refused(tmp_path / name, "unpacks to more than the limit of 100,000 bytes", limits=Limits(total_bytes=10**5))


def test_a_parquet_bomb_is_refused(tmp_path):
    table = pa.table({"a": np.zeros(2_000_000), "label": np.zeros(2_000_000, np.int8)})
    pq.write_table(table, tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 20_000
    refused(tmp_path / "bomb.parquet", "over the limit|more than the limit", limits=Limits(total_bytes=10**6))


@pytest.mark.parametrize("nested", [False, True])
def test_a_parquet_bomb_of_one_repeated_text_is_refused_before_it_is_unpacked(tmp_path, nested):
    """A dictionary names 64 kB once; 200,000 rows that point to it would be 13 GB."""
    repeated = pa.DictionaryArray.from_arrays(pa.array(np.zeros(200_000, np.int32)), pa.array([b"x" * 2**16]))
    column = pa.StructArray.from_arrays([repeated], ["bytes"]) if nested else repeated
    pq.write_table(pa.table({"image": column, "label": np.zeros(200_000, np.int8)}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 200_000
    refused(tmp_path / "t.parquet", "unpacks to more than the limit of 10,000,000", limits=Limits(total_bytes=10**7))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an idx file"),
        (b"\x00\x00\x08\x03\x00\x00", "cut short in its header"),
        (idx(IMAGES)[:-7], "declares 12 x 8 x 8 values, but holds 761 bytes of them"),
        (idx(IMAGES) + b"more", "declares 12 x 8 x 8 values, but holds 772 bytes of them"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "declares 4,294,967,295 x 4,294,967,295 x 4,294,967,295 values"),
        (b"\x00\x00\x07\x01\x00\x00\x00\x00", "not an idx file"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_an_idx_file_that_is_cut_or_lies_is_refused(tmp_path, content, words, packed):
    end = ".gz" if packed else ""
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(gzip.compress(content) if packed else content)
    (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(gzip.compress(idx(LABELS)) if packed else idx(LABELS))
    refused(tmp_path, words)


def test_idx_images_without_labels_are_refused(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    refused(tmp_path, "no labels file for train")


def test_ragged_rows_of_a_csv_are_listed_and_the_others_keep_their_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,0\n1,2\n3,4,1\n5,6,7,8\n7,8,0\n")
    data = read(tmp_path / "t.csv")
    assert data.ids.tolist() == ["0", "2", "4"]
    assert [f"{item.where}: {item.why}" for item in data.unread] == [
        "t.csv: row 1: 2 cells where the header has 3; row left out",
        "t.csv: row 3: 4 cells where the header has 3; row left out",
    ]


def test_rows_of_a_csv_in_another_encoding_are_listed(tmp_path):
    lines = ["name,a,label", "Zoë,1,0", "Jos\xe9,2,1", "Ann,3,1", "Ren\xe9,4,5,6"]
    content = b"\n".join(line.encode("latin-1" if number in (2, 4) else "utf-8") for number, line in enumerate(lines))
    (tmp_path / "t.csv").write_bytes(content)
    data = read(tmp_path / "t.csv")
    assert data.ids.tolist() == ["0", "2"]
    assert data.table.column("name").to_pylist() == ["Zoë", "Ann"]
    assert sorted(item.where for item in data.unread) == ["t.csv: row 1", "t.csv: row 3"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf  \n", "is empty"),
        (b"a,label\n", "no row could be read. It is empty."),
        ("a,label\n1,0\n".encode("utf-16"), "is UTF-16. Save it as UTF-8."),
        (b"a,label\n1,0\x00\n", "holds NUL bytes"),
        (b"a,a,label\n1,2,0\n", "more than one column is named a"),
        (b"a,label\n1,0.5\n2,0.25\n", "labels are fractions, such as 0.5"),
        (b"label\n1\n2\n", "no input column in t.csv"),
        (b"id,a,label\n1,2,0\n1,3,1\n", "duplicate ids"),
        (b"a,label\n1,\n2,?\n", "no row could be read. t.csv: row 0: no label; row left out"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe\n", "not UTF-8"),
    ],
)
def test_an_unfit_csv_is_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    refused(tmp_path / "t.csv", words)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbflabel,a\n0,1\n1,2\n")
    assert read(tmp_path / "t.csv").table.column_names == ["a"]


def test_column_names_cannot_break_the_line_of_an_error(tmp_path):
    pq.write_table(pa.table({"a\nbezoar: all clean\x1b[2J": [1], "b" * 9_999: [2]}), tmp_path / "t.parquet")
    message = refused(tmp_path / "t.parquet", "no label column")
    assert message.isprintable()
    assert len(message) < 400


def test_lines_that_are_no_json_objects_are_listed(tmp_path):
    deep = "[" * 100_000
    lines = ['{"a": 1, "label": 0}', "{broken", "[1, 2]", deep, '{"a": "\\ud800", "label": 1}', '{"a": 2, "label": 1}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    data = read(tmp_path / "t.jsonl")
    assert data.ids.tolist() == ["0", "5"]
    assert [item.where for item in data.unread] == [f"t.jsonl: line {number}" for number in (2, 3, 4, 5)]


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[]", '{"splits": ["../secret"]}', '{"splits": [1]}'])
def test_a_hostile_list_of_splits_is_refused(tmp_path, text):
    (tmp_path / "dataset_dict.json").write_text(text)
    refused(tmp_path, "dataset_dict.json")


def test_huge_names_do_not_widen_every_row(tmp_path):
    rows = [{"id": "x" * 10**6, "a": 1, "label": 0}, {"id": "y", "a": 2, "label": 1}]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    refused(tmp_path / "t.jsonl", "id of row 0 has 1,000,000 characters, over the limit of 500")
    rows = [{"a": 1, "label": "x" * 10**6}, {"a": 2, "label": "b"}]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert read(tmp_path / "t.jsonl").unread[0].why.startswith("label of 1,000,000 characters is over the limit")


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((4, 2, 2, 2, 2), np.uint8), r"images must be \(n, h, w\)"),
        (np.zeros((4, 8, 8, 7), np.uint8), r"images must be \(n, h, w\)"),
        (np.zeros((4, 0, 8), np.uint8), "images have no pixels"),
        (np.full((4, 8, 8), 300), "pixels must be whole in 0 to 255"),
        (np.full((4, 8, 8), -0.5), "pixels must be whole in 0 to 255"),
        (np.full((4, 8, 8), 3.5), "pixels must be whole in 0 to 255"),
        (np.zeros((4, 8, 8), np.complex64), "holds complex64"),
        (np.zeros((3, 8, 8), np.uint8), "3.*4"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, images, words):
    np.savez(tmp_path / "t.npz", x=images, y=np.array([0, 1, 0, 1]))
    refused(tmp_path / "t.npz", words)


def test_labels_of_more_than_one_column_are_refused(tmp_path):
    np.savez(tmp_path / "t.npz", x=IMAGES, y=np.zeros((ROWS, 14)))
    refused(tmp_path / "t.npz", r"labels must be \(n,\) or \(n, 1\). Got \(12, 14\)")


def test_images_with_nan_or_infinite_pixels_are_listed(tmp_path):
    images = np.random.default_rng(0).random((4, 8, 8))
    images[1, 2, 3], images[3, 0, 0] = np.nan, np.inf
    np.savez(tmp_path / "t.npz", x=images, y=np.array([0, 1, 0, 1]))
    data = read(tmp_path / "t.npz")
    assert data.ids.tolist() == ["0", "2"]
    np.testing.assert_array_equal(data.images[:, 0], np.rint(images[[0, 2]] * 255))
    assert {item.why for item in data.unread} == {"NaN or infinite pixels; row left out"}


def test_an_unknown_spec_says_what_there_is(tmp_path):
    refused("no_such_set", "no such file, folder or built-in set. Built in: breast_cancer, digits, mnist5k.")
    (tmp_path / "a.xlsx").write_text("")
    refused(tmp_path / "a.xlsx", "no form that Bezoar reads")
    refused(str(tmp_path / ("x" * 5_000)), "cannot be read|no such file")
    refused("nul\0name", "cannot be read|no such file")


def test_columns_cannot_be_named_where_there_are_none(forms):
    for place in (forms["folder"], forms["idx"], "digits"):
        refused(place, "has no columns to name", roles=Roles(label="y"))
    refused("digits", "has no splits", roles=Roles(split="train"))
    refused(forms["stored.npz"], "only inputs, labels and a split can be named", roles=Roles(source="site"))


def test_named_columns_must_exist(forms):
    for roles in (Roles(label="nope"), Roles(source="nope"), Roles(id="nope"), Roles(input=("nope",))):
        refused(forms["table.csv"], "no column nope in table.csv. Columns: age, colour, income, label.", roles=roles)


def test_a_long_path_keeps_its_end_and_a_long_text_its_beginning():
    path = Path("/" + "folder/" * 40 + "bad\x1b.png")
    assert shown(path).startswith("...")
    assert shown(path).endswith("folder/bad\\x1b.png")
    assert shown("a" * 100 + "b") == "a" * 80 + "..."
    assert shown(Path("near/bad.png")) == "near/bad.png"
