"""Which supplier is to blame."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import fisher_exact

from bezoar.engine.sources import blame
from bezoar.maths.subgroups import Subgroup
from synthetic import dataset, hypothesis, judgement, no_labels

N = 2_000
NAMES = ("acme", "globex", "initech", "umbrella")


def supplied(seed=0, names=NAMES):
    rng = np.random.default_rng(seed)
    return dataset(np.zeros((N, 1, 2, 2), np.uint8), rng.integers(0, 4, N), source=rng.choice(names, N)), rng


def flagged(data, rows):
    return judgement(data, labels=no_labels(data, flagged=data.mask(rows)))


def test_the_guilty_source_is_named_first_and_alone():
    data, rng = supplied()
    stray = rng.choice(N, 20, replace=False)
    planted = np.flatnonzero(data.source == "initech")[:30]
    rows = blame(data, flagged(data, np.union1d(planted, stray)))
    assert [row.source for row in rows if row.blamed] == ["initech"]
    assert rows[0].source == "initech"


def test_two_guilty_sources_with_different_poison_do_not_excuse_each_other():
    data, _ = supplied()
    stamped = np.flatnonzero(data.source == "acme")[:30]
    flipped = np.flatnonzero(data.source == "umbrella")[:60]
    labels = no_labels(data, flagged=data.mask(flipped))
    rows = blame(data, judgement(data, hypotheses=(hypothesis(stamped, N),), labels=labels))
    assert {row.source for row in rows if row.blamed} == {"acme", "umbrella"}
    assert {row.source for row in rows[:2]} == {"acme", "umbrella"}


@pytest.mark.parametrize("seed", range(10))
def test_rows_flagged_at_random_blame_nobody(seed):
    data, rng = supplied(seed)
    assert not any(row.blamed for row in blame(data, flagged(data, rng.choice(N, 60, replace=False))))


def test_nothing_flagged_blames_nobody_and_lists_everybody():
    data, _ = supplied()
    rows = blame(data, judgement(data))
    assert sorted(row.source for row in rows) == sorted(NAMES)
    assert all((row.flagged, row.blamed) == (0, False) for row in rows)
    assert sum(row.rows for row in rows) == N


def test_the_p_value_is_that_of_fishers_exact_test_corrected_for_all_questions():
    """Two questions (all flagged rows, those of wrong labels), the worst of four sources: 2 x 4 times scipy's p."""
    data, rng = supplied()
    rows = np.flatnonzero(data.source == "globex")[:12]
    rows = np.union1d(rows, rng.choice(N, 20, replace=False))
    worst = blame(data, flagged(data, rows))[0]
    own, mark = data.source == "globex", data.mask(rows)
    counts = [[(mark & own).sum(), (~mark & own).sum()], [(mark & ~own).sum(), (~mark & ~own).sum()]]
    assert worst.source == "globex"
    assert worst.p_value == pytest.approx(8 * fisher_exact(counts, alternative="greater").pvalue, rel=1e-9)
    assert worst.p_value < 1


def test_two_rows_are_too_few_to_blame_a_source_whatever_the_odds():
    labels = np.zeros(N, dtype=np.int64)
    data = dataset(np.zeros((N, 1, 2, 2), np.uint8), labels, source=["tiny"] * 2 + ["large"] * (N - 2))
    (first, _) = blame(data, flagged(data, np.arange(2)))
    assert (first.source, first.blamed) == ("tiny", False)
    assert first.p_value < 1e-5


@pytest.mark.parametrize("names", [("acme",), None])
def test_one_source_or_none_gives_no_table(names):
    data, _ = supplied(names=names or NAMES)
    data = dataset(data.inputs, data.labels) if names is None else data
    assert blame(data, flagged(data, np.arange(30))) == ()


def test_a_subgroup_is_asked_about_by_the_labels_that_contradict_there_and_only_against_its_own_rows():
    """No row is flagged. One source has few rows of the subgroup, and half of them contradict; another has most of them."""
    rng = np.random.default_rng(0)
    source = np.array(["globex"] * 1_000 + ["acme"] * 1_000)
    age = np.where(np.arange(N) < 60, 70, 30)
    age[1_000:1_900] = 70
    data = dataset(pa.table({"age": age}), rng.integers(0, 2, N), k=2, source=source)
    contradicted = data.mask(np.concatenate([np.arange(30), np.arange(1_000, 1_045)]))
    group = Subgroup(
        conditions=((0, ">", 60.5),),
        rows=age > 60,
        happened=contradicted,
        events=75,
        expected=20.0,
        trials=960,
        lift=5.0,
        p_value=1e-9,
    )
    labels = dataclasses.replace(no_labels(data), groups=(group,))
    first, second = blame(data, judgement(data, labels=labels))
    assert (first.source, first.blamed, first.flagged) == ("globex", True, 0)
    assert (first.because.value, first.because.n, first.because.control) == (0.5, 60, 0.05)
    assert "age > 60.5" in first.because.name
    assert not second.blamed
