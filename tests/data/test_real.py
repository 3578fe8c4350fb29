"""The real sets that the readers are for, against what their authors say of them."""

import gzip
import hashlib

import numpy as np
import pytest

from bezoar.core.data import Modality
from bezoar.data import Roles, read, write


def test_pneumoniamnist_has_its_official_splits(real):
    data = read(real / "image" / "pneumoniamnist.npz")
    assert data.images.shape == (4708 + 524 + 624, 1, 28, 28)
    for split, counts in (("train", [1214, 3494]), ("val", [135, 389]), ("test", [234, 390])):
        part = read(real / "image" / "pneumoniamnist.npz", roles=Roles(split=split))
        assert np.bincount(part.labels).tolist() == counts


def test_fashion_mnist_is_read_with_its_training_rows_first(real):
    data = read(real / "image" / "fashion_mnist")
    assert data.images.shape == (70_000, 1, 28, 28)
    assert (data.ids[0], data.ids[60_000]) == ("train/0", "test/0")
    assert np.bincount(data.labels).tolist() == [7_000] * 10
    packed = (real / "image" / "fashion_mnist" / "train-images-idx3-ubyte.gz").read_bytes()
    wanted = hashlib.sha256(gzip.decompress(packed)[16:]).digest()
    assert hashlib.sha256(data.images[:60_000].tobytes()).digest() == wanted


def test_cifar_pictures_and_class_names_come_out_of_parquet(real):
    data = read(real / "image" / "cifar10_test.parquet")
    assert data.images.shape == (10_000, 3, 32, 32)
    assert data.classes[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(data.labels).tolist() == [1_000] * 10
    assert data.unread == ()


def test_adult_keeps_its_missing_cells_and_categories(real):
    data = read(real / "tabular" / "adult.csv.gz", roles=Roles(label="income", split="train"))
    assert (len(data), data.table.num_columns, data.classes) == (32_561, 14, ("<=50K", ">50K"))
    assert np.bincount(data.labels).tolist() == [24_720, 7_841]
    # The archive's own description: 1,836 missing in workclass, 1,843 in occupation, 583 in native-country.
    missing = {name: data.table.column(name).null_count for name in data.table.column_names}
    assert {name: count for name, count in missing.items() if count} == {
        "workclass": 1_836,
        "occupation": 1_843,
        "native-country": 583,
    }
    assert str(data.table.column("age").type) == "int64"


def test_texts_are_read_with_their_labels(real):
    data = read(real / "text" / "sst2_glue.parquet", roles=Roles(split="test"))
    assert (data.modality, len(data)) == (Modality.TEXT, 872)
    assert np.bincount(data.labels).tolist() == [428, 444]


@pytest.mark.parametrize("place", ["tabular/location30.npz", "text/imdb_subset.parquet"])
def test_real_sets_survive_writing(real, place, tmp_path):
    data = read(real / place)
    write(data, tmp_path)
    assert read(tmp_path).merkle_root == data.merkle_root
