"""Repairs as a report suggests: what is written, what is kept, and what is refused."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from bezoar.core.errors import InputError, OutputError
from bezoar.data import read
from bezoar.engine.repair import apply, repair_data, suspicion_of
from bezoar.mitigations.data.filter import Filter
from bezoar.mitigations.data.quarantine import Quarantine
from bezoar.mitigations.data.relabel import Relabel
from disk import fill_after


def test_a_report_about_other_rows_is_refused(poisoned_digits, clean_digits):
    with pytest.raises(InputError, match="the report is about other rows"):
        suspicion_of(clean_digits.data, poisoned_digits.report)


def test_the_same_rows_in_another_order_are_other_rows(poisoned_digits):
    turned = poisoned_digits.data.take(np.arange(len(poisoned_digits.data))[::-1])
    with pytest.raises(InputError, match="Audit this set"):
        suspicion_of(turned, poisoned_digits.report)


def test_the_suspicion_says_what_the_report_says(poisoned_digits):
    suspicion = suspicion_of(poisoned_digits.data, poisoned_digits.report)
    np.testing.assert_array_equal(suspicion.flagged, poisoned_digits.flagged)
    assert (suspicion.suggested[suspicion.code == "BZ101"] == -1).all()
    untouched = ~suspicion.flagged
    np.testing.assert_array_equal(suspicion.suggested[untouched], poisoned_digits.data.labels[untouched])


@pytest.mark.parametrize(
    ("name", "method"), [("filter", Filter()), ("relabel", Relabel()), ("quarantine", Quarantine())]
)
def test_what_is_written_reads_back_and_nothing_is_lost(poisoned_digits, tmp_path, name, method):
    """The rows left, those set aside and those dropped are together those that came."""
    data, report = poisoned_digits.data, poisoned_digits.report
    root = data.merkle_root
    record = repair_data(data, report, method, name=name, out=tmp_path)
    repaired = apply(data, report, method)
    assert read(tmp_path).merkle_root == repaired.data.merkle_root == record["merkle_root_after"]
    assert record == json.loads((tmp_path / "repair.json").read_text())
    assert record["rows_before"] == record["rows_after"] + record["set_aside"] + record["dropped"]
    left = set(repaired.data.ids)
    if record["set_aside"]:
        aside = read(tmp_path / "quarantine")
        reasons = pq.read_table(tmp_path / "quarantine" / "reasons.parquet").to_pylist()
        assert [row["id"] for row in reasons] == aside.ids.tolist()
        assert all(row["reason"].startswith("BZ1") for row in reasons)
        assert left | set(aside.ids) == set(data.ids)
        assert not left & set(aside.ids)
    assert data.merkle_root == record["merkle_root_before"] == root, "the audited set stays as it is"


@pytest.mark.parametrize("room", range(4))
def test_a_disk_that_fills_up_leaves_no_repaired_set_without_the_rows_it_lacks(
    poisoned_digits, tmp_path, monkeypatch, room
):
    """Rows set aside, reasons, repaired set, record: with room for fewer, the set is there only after what it lacks."""
    fill_after(monkeypatch, room)
    with pytest.raises(OutputError, match="No space left"):
        repair_data(poisoned_digits.data, poisoned_digits.report, Quarantine(), name="quarantine", out=tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) == room
    if "data.parquet" in written:
        assert written >= {"quarantine/data.parquet", "quarantine/reasons.parquet"}


def test_relabelled_sevens_are_sevens_again(poisoned_digits):
    data = poisoned_digits.data
    mended = apply(data, poisoned_digits.report, Relabel()).data
    position = {name: row for row, name in enumerate(data.ids)}
    was = np.array([position[name] for name in mended.ids])
    relabelled = (mended.labels != data.labels[was]) & poisoned_digits.flipped[was]
    assert relabelled.sum() >= 10
    assert (mended.labels[relabelled] == 7).mean() >= 0.95


def test_no_stamped_row_that_was_found_is_left(poisoned_digits):
    found = poisoned_digits.stamped & poisoned_digits.flagged
    for method in (Filter(), Relabel(), Quarantine()):
        left = apply(poisoned_digits.data, poisoned_digits.report, method).data
        assert not set(left.ids) & set(poisoned_digits.data.ids[found])


def test_a_repair_of_a_set_where_nothing_was_flagged_changes_nothing(poisoned_digits, tmp_path):
    rows = poisoned_digits.report.rows
    n = len(rows)
    quiet = rows.set_column(rows.column_names.index("flagged"), "flagged", [np.zeros(n, dtype=bool)])
    report = dataclasses.replace(poisoned_digits.report, rows=quiet)
    record = repair_data(poisoned_digits.data, report, Quarantine(), name="quarantine", out=tmp_path)
    assert record["merkle_root_after"] == poisoned_digits.data.merkle_root
    assert not (tmp_path / "quarantine").exists()
