"""How much memory an audit takes is told before it is taken: as soon as the rows are counted and their size is known."""

import gzip
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError, UsageError
from bezoar.data import read
from bezoar.data.spool import KEPT, Means, is_mapped
from bezoar.engine import memory
from bezoar.engine.audit import audit
from bezoar.engine.settings import Settings
from samples import png

ROWS = 90
LITTLE = Means(memory=10**8)


@pytest.fixture
def pictures(tmp_path):
    """90 pictures of three classes, one without a label, as a parquet file and as a folder of class folders."""
    rng = np.random.default_rng(0)
    files = [png(rng.integers(0, 256, (9, 7), dtype=np.uint8)) for _ in range(ROWS)]
    labels = ["abc"[row % 3] for row in range(ROWS)]
    for row, (file, label) in enumerate(zip(files, labels, strict=True)):
        (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / label / f"{row:02}.png").write_bytes(file)
    pq.write_table(pa.table({"image": files, "label": [None, *labels[1:]]}), tmp_path / "set.parquet")
    return {"folder": tmp_path / "set", "parquet": tmp_path / "set.parquet"}


def refused(place, means=LITTLE):
    with pytest.raises(UsageError) as error:
        read(place, means=memory.bounded(means))
    return str(error.value)


@pytest.mark.parametrize(("form", "rows"), [("folder", ROWS), ("parquet", ROWS - 1)])
def test_pictures_are_refused_before_any_is_decoded_by_the_line_that_the_audit_would_say(pictures, form, rows):
    def decoding(function, shards):
        pytest.fail("a shard was begun")

    said = refused(pictures[form], Means(memory=10**8, spread=decoding))
    assert re.fullmatch(rf"`--memory` must be at least [0-9,]+ MB to audit {rows} rows of set[.\w]*. Got 100 MB.", said)
    data = read(pictures[form], means=LITTLE)
    with pytest.raises(UsageError) as later:
        audit(data, Settings(means=LITTLE))
    assert str(later.value) == said


def test_pictures_whose_size_was_guessed_wrong_are_asked_about_again(tmp_path):
    """The first 64 are small; all others are not."""
    files = [png(np.zeros((8, 8), np.uint8))] * 70 + [png(np.zeros((100, 100), np.uint8))] * 300
    pq.write_table(pa.table({"image": files, "label": [row % 2 for row in range(370)]}), tmp_path / "t.parquet")
    seen = []
    read(tmp_path / "t.parquet", means=Means(admit=lambda coming: seen.append(coming.shape)))
    assert seen[-2:] == [(370, 1, 8, 8), (370, 1, 100, 100)]


def test_more_memory_than_was_asked_for_is_never_too_little(pictures):
    least = int(re.search("at least ([0-9,]+) MB", refused(pictures["parquet"]))[1].replace(",", "")) * 10**6
    for more in (0, 1, 10**6, 10**8, 10**9, 10**12):
        assert len(read(pictures["parquet"], means=memory.bounded(Means(memory=least + more)))) == ROWS - 1
    refused(pictures["parquet"], Means(memory=least - 10**6))


def test_without_a_bound_nothing_is_asked(pictures):
    assert memory.bounded(Means()).admit is None
    assert len(read(pictures["folder"], means=memory.bounded(Means()))) == ROWS


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl", "t.jsonl.gz"])
def test_a_text_that_cannot_lie_in_memory_is_refused_before_it_is_made_a_table(tmp_path, name, monkeypatch):
    line = b'{"a": 1, "b": "xxxxxxxxxxxxxxxx", "label": 0}\n' if "jsonl" in name else b"1,xxxxxxxxxxxxxxxx,0\n"
    content = (b"" if "jsonl" in name else b"a,b,label\n") + line * (KEPT // len(line))
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith("gz") else content)
    monkeypatch.setattr("pyarrow.csv.read_csv", lambda *a, **k: pytest.fail("it was parsed"))
    monkeypatch.setattr("json.loads", lambda *a, **k: pytest.fail("it was parsed"))
    said = refused(tmp_path / name, Means(memory=memory.PROGRAM))
    assert re.fullmatch(rf"`--memory` must be more than [0-9,]+ MB to audit {re.escape(name)}. Got [0-9,]+ MB.", said)


def test_a_parquet_table_that_cannot_lie_in_memory_is_refused_by_its_own_figures(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.random(9_000_000), "label": rng.integers(0, 2, 9_000_000)})
    pq.write_table(table, tmp_path / "t.parquet", use_dictionary=False, compression="none")
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *a, **k: pytest.fail("it was read"))
    assert re.fullmatch(
        r"`--memory` must be more than [0-9,]+ MB to audit 9,000,000 rows of t.parquet. Got 650 MB.",
        refused(tmp_path / "t.parquet", Means(memory=650 * 10**6)),
    )


def test_packed_cells_that_cannot_lie_in_memory_are_refused_before_they_are_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "t.npz", x=np.zeros((2 * KEPT // 64, 8)), y=np.zeros(2 * KEPT // 64, np.uint8))
    assert "must be more than" in refused(tmp_path / "t.npz", Means(memory=memory.PROGRAM))


def rows_of(images):
    n = len(images)
    return Dataset(inputs=images, labels=np.arange(n) % 2, classes=("a", "b"), ids=np.arange(n).astype(str))


def test_images_that_lie_in_memory_count_and_those_in_a_file_do_not(tmp_path):
    """Twice what is kept in memory at most, 4,000 rows."""
    shape = (4_000, 1, 183, 183)
    spooled = Means(memory=memory.PROGRAM, folder=tmp_path).room(shape)
    assert is_mapped(spooled)

    def least(images, trusted=None):
        with pytest.raises(UsageError) as error:
            memory.require(rows_of(images), trusted, 1)
        return int(re.search("at least ([0-9,]+) MB", str(error.value))[1].replace(",", ""))

    loaded = np.zeros(shape, np.uint8)
    assert least(loaded) - least(spooled) == pytest.approx(loaded.nbytes / 10**6, abs=1)
    assert least(spooled, rows_of(loaded)) == least(loaded)


def test_too_few_rows_are_told_with_those_that_could_not_be_read(tmp_path):
    """A folder of two classes, in one of which no picture can be read."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for row in range(50):
            file = png(rng.integers(0, 256, (8, 8), dtype=np.uint8))
            (tmp_path / label / f"{row:02}.png").write_bytes(file[:30] if label == "dog" else file)
    with pytest.raises(InputError) as error:
        audit(read(tmp_path), Settings())
    assert re.search(
        r"at least 8 rows each are needed. Got cat \(50\). 50 rows or files could not be read, such as \S+/dog/00.png: ",
        str(error.value),
    )
