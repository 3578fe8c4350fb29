"""Memory, clusters and profiles, as a person asks for them."""

import contextlib
import json
import pickle
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bezoar.cli.main import run
from bezoar.core.detector import Unit
from bezoar.core.errors import UsageError
from bezoar.core.registry import detectors_of
from bezoar.data.spool import is_mapped
from bezoar.engine import api
from bezoar.engine import audit as engine
from bezoar.learn.recipe import Recipe
from elsewhere import Posted
from samples import png

FAST = ("--no-controls", "--detectors", "confident_learning", "--quiet", "--format", "json")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """120 pictures of two classes, and a network that is trained as little as can be."""
    monkeypatch.setattr(engine, "default_recipe", lambda rows: Recipe(epochs=1))
    rng = np.random.default_rng(0)
    pictures = [png((rng.integers(0, 100, (8, 8)) + 155 * (row % 2)).astype(np.uint8)) for row in range(120)]
    pq.write_table(pa.table({"image": pictures, "label": [row % 2 for row in range(120)]}), tmp_path / "p.parquet")
    return tmp_path / "p.parquet"


def audited(data, out, *options):
    return run(["audit", "data", str(data), "--out", str(out), *FAST, *options])


THROUGH = (0, 3)
"""So few rows, so little trained: whether labels can be judged at all is not asked here."""


def told(out):
    """The report without what differs from run to run."""
    report = json.loads((out / "report.json").read_text())
    return {name: value for name, value in report.items() if name != "run"}


def test_an_audit_whose_images_lie_in_a_file_says_the_same(small, tmp_path, monkeypatch):
    assert audited(small, tmp_path / "usual") in THROUGH
    seen = []
    monkeypatch.setattr("bezoar.data.spool.SHARE", 10**6)
    monkeypatch.setattr(api, "audit", lambda data, settings: (seen.append(data), engine.audit(data, settings))[1])
    assert audited(small, tmp_path / "spooled", "--memory", "4GB") in THROUGH
    assert is_mapped(seen[0].images)
    assert told(tmp_path / "spooled") == told(tmp_path / "usual")
    assert {path.name for path in (tmp_path / "spooled").iterdir()} == {"report.json", "rows.parquet"}


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("300MB", "bezoar: `--memory` must be at least [0-9,]+ MB to audit 120 rows of p.parquet. Got 300 MB.\n"),
        ("lots", "bezoar: `--memory` must be a size such as 2GB or 512MiB. Got 'lots'.\n"),
        ("0", "bezoar: `--memory` must be a size such as 2GB or 512MiB. Got '0'.\n"),
        ("9e99", "bezoar: `--memory` must be a size such as 2GB or 512MiB. Got '9e99'.\n"),
    ],
)
def test_too_little_memory_and_no_size_at_all_are_one_line(small, tmp_path, capsys, size, said):
    assert audited(small, tmp_path / "out", "--memory", size) == 2
    assert re.fullmatch(said, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2 * 10**9), ("512MiB", 2**29), ("1.5 g", 15 * 10**8), ("700", 700), ("1e9", 10**9)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    from bezoar.cli import options

    assert options.size("memory", text) == size
    with pytest.raises(UsageError):
        options.size("memory", f"-{text}")


def test_a_profile_shows_each_stage_and_is_in_the_record(small, tmp_path, capsys):
    assert audited(small, tmp_path / "out", "--profile") in THROUGH
    shown = capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "report.json").read_text())["run"]
    for stage in ("reading", "training", "scoring", "searching"):
        assert stage in shown
        assert record["cpu_seconds"][stage] <= 64 * record["stages"][stage] + 0.1
        assert 10**8 < record["peak_bytes"][stage] < 10**11
    assert "Most memory" in shown


def test_a_cluster_that_does_not_answer_is_one_line(small, tmp_path, capsys):
    assert audited(small, tmp_path / "out", "--ray", "127.0.0.1:9") == 2
    assert capsys.readouterr().err == "bezoar: 127.0.0.1:9: no Ray cluster answers there.\n"


def test_an_audit_whose_shards_are_worked_on_elsewhere_says_the_same(small, tmp_path, monkeypatch):
    """The audit and its controls: all but trainings, searches and what reads inputs."""
    everything = ("--controls", "--detectors", ",".join(detectors_of(Unit.ROW)))
    assert audited(small, tmp_path / "here", *everything) in THROUGH
    elsewhere = Posted()
    monkeypatch.setattr("bezoar.engine.shards.spreading", lambda **asked: contextlib.nullcontext(elsewhere))
    assert audited(small, tmp_path / "elsewhere", *everything) in THROUGH
    assert told(tmp_path / "elsewhere") == told(tmp_path / "here")
    rows = [(tmp_path / out / "rows.parquet").read_bytes() for out in ("here", "elsewhere")]
    assert rows[0] == rows[1]
    work = Counter(pickle.loads(each)[0].__name__ for each in elsewhere.posted)
    once = {"decoded_shard": 1, "profiled_shard": 1}
    assert work == {**once, "embedded_shard": 2 * 2, "scored_part": 2 * (1 + 2 + 2 + 1 + 1)}


def test_columns_and_classes_are_told_in_numbers(small, tmp_path):
    assert audited(small, tmp_path / "out") in THROUGH
    data = told(tmp_path / "out")["dataset"]
    assert data["different"]["value"] == 120
    dark, bright = data["profiles"]
    assert (dark["rows"], dark["kind"], dark["missing"]) == (60, "brightness", 0)
    assert dark["quantiles"][-1] < bright["quantiles"][0]
    assert dark["mean"] == pytest.approx(49.5, abs=3)


def test_the_least_memory_that_is_told_is_accepted(small, tmp_path, capsys):
    assert audited(small, tmp_path / "refused", "--memory", "300MB") == 2
    least = re.search("at least ([0-9,]+) MB", capsys.readouterr().err)[1].replace(",", "")
    assert audited(small, tmp_path / "refused", "--memory", f"{int(least) - 1}MB") == 2
    assert audited(small, tmp_path / "out", "--memory", f"{least}MB") in THROUGH
