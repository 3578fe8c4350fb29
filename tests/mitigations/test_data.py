"""Repairs of a data set: nothing lost, nothing mutated, nothing guessed."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.mitigation import Subject, Suspicion
from bezoar.mitigations.data.filter import Filter
from bezoar.mitigations.data.quarantine import Quarantine
from bezoar.mitigations.data.relabel import Relabel

REPAIRS = [Filter(), Quarantine(), Relabel()]
# For each row: flagged, label, suggested label (-1: should go).
ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(-1, 2)), min_size=1, max_size=20)


def subject_of(rows, *, inputs=None, source=True):
    flagged, labels, suggested = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    data = Dataset(
        inputs=np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1) if inputs is None else inputs,
        labels=labels.astype(np.int64),
        classes=("cat", "dog", "owl"),
        ids=np.array([f"row{i}" for i in range(n)]),
        source=np.array(["acme", "globex"])[np.arange(n) % 2] if source else None,
    )
    code = np.where(flagged, "BZ102", "")
    return Subject(data=data, suspicion=Suspicion(flagged=flagged, code=code, suggested=suggested.astype(np.int64)))


def contents(*sets):
    return sorted(row for data in sets if data is not None for row in data.row_hashes)


@given(ROWS)
def test_filter_keeps_exactly_the_rows_that_are_not_flagged(rows):
    subject = subject_of(rows)
    kept = ~subject.suspicion.flagged
    repaired = Filter().apply(subject)
    assert repaired.data.row_hashes == [row for row, keep in zip(subject.data.row_hashes, kept, strict=True) if keep]
    assert repaired.set_aside is None


@given(ROWS)
def test_quarantine_loses_and_changes_nothing(rows):
    subject = subject_of(rows)
    repaired = Quarantine().apply(subject)
    assert contents(repaired.data, repaired.set_aside) == contents(subject.data)
    aside = [] if repaired.set_aside is None else repaired.set_aside.ids.tolist()
    assert aside == subject.data.ids[subject.suspicion.flagged].tolist()
    assert len(repaired.reasons) == len(aside)


@given(ROWS)
def test_relabel_loses_no_row_and_changes_only_flagged_labels_to_the_suggested(rows):
    subject = subject_of(rows)
    repaired = Relabel().apply(subject)
    aside = [] if repaired.set_aside is None else repaired.set_aside.ids.tolist()
    assert sorted(repaired.data.ids.tolist() + aside) == sorted(subject.data.ids.tolist())
    after = dict(zip(repaired.data.ids.tolist(), repaired.data.labels.tolist(), strict=True))
    for i, (flagged, label, suggested) in enumerate(rows):
        if flagged and suggested in (-1, label):
            assert f"row{i}" in aside
        else:
            assert after[f"row{i}"] == (suggested if flagged else label)


@pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: type(repair).__name__)
def test_the_subject_passed_stays_as_it_is(repair):
    subject = subject_of([(True, 0, 1), (True, 1, -1), (False, 2, 0)])
    before = dataclasses.asdict(subject)
    hashes = list(subject.data.row_hashes)
    repair.apply(subject)
    assert dataclasses.replace(subject.data).row_hashes == hashes
    for name, value in before["suspicion"].items():
        np.testing.assert_array_equal(getattr(subject.suspicion, name), value)


@pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: type(repair).__name__)
def test_a_subject_that_nobody_audited_is_refused(repair):
    subject = dataclasses.replace(subject_of([(True, 0, 1)]), suspicion=None)
    with pytest.raises(InputError, match="Audit it first"):
        repair.apply(subject)


@pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: type(repair).__name__)
def test_a_repair_can_take_every_row(repair):
    repaired = repair.apply(subject_of([(True, 0, -1)] * 3))
    assert len(repaired.data) == 0


def test_reasons_name_the_finding_the_label_and_the_better_one():
    repaired = Quarantine().apply(subject_of([(True, 0, 1), (True, 2, -1), (False, 1, 1)]))
    assert repaired.reasons == ("BZ102: labelled cat, looks like dog", "BZ102: labelled owl")


@pytest.mark.parametrize(
    "inputs",
    [None, pa.table({"age": [1, 2, 3]}), pa.array(["a", "b", "c"])],
    ids=["images", "table", "text"],
)
@pytest.mark.parametrize("source", [True, False])
def test_a_second_quarantine_adds_to_the_first(inputs, source):
    subject = subject_of([(True, 0, 1), (False, 1, 1), (False, 2, 2)], inputs=inputs, source=source)
    once = Quarantine().apply(subject)
    again = Suspicion(flagged=np.array([False, True]), code=np.array(["", "BZ103"]), suggested=np.array([1, -1]))
    twice = Quarantine().apply(dataclasses.replace(once, suspicion=again))
    assert twice.set_aside.ids.tolist() == ["row0", "row2"]
    assert twice.reasons == ("BZ102: labelled cat, looks like dog", "BZ103: labelled owl")
    assert contents(twice.data, twice.set_aside) == contents(subject.data)


def test_a_suspicion_about_another_number_of_rows_is_refused():
    subject = subject_of([(True, 0, 1), (False, 1, 1)])
    with pytest.raises(InputError, match="2 rows but a suspicion of 1"):
        dataclasses.replace(subject, suspicion=subject_of([(True, 0, 1)]).suspicion)


def test_columns_of_a_suspicion_must_be_alike():
    with pytest.raises(InputError, match="alike"):
        Suspicion(flagged=np.zeros(2, bool), code=np.array([""]), suggested=np.zeros(2, dtype=np.int64))
