"""Positive controls: what is planted, and how it is counted."""

import numpy as np
import pyarrow as pa
import pytest

from bezoar.data import read
from bezoar.engine.controls import FEWEST, measure, spike
from synthetic import dataset, hypothesis, judgement, no_labels, table


@pytest.fixture(scope="module")
def digits():
    return read("digits")


@pytest.mark.parametrize("seed", range(3))
def test_no_row_is_spiked_twice_and_every_backdoor_has_a_class_of_its_own(digits, seed):
    _, spikes = spike(digits, np.random.default_rng(seed))
    assert np.sum([s.rows for s in spikes], axis=0).max() == 1
    targets = [s.target for s in spikes if s.target is not None]
    assert len(targets) == len(set(targets)) >= 3


def test_the_truth_of_a_spike_is_what_differs_from_the_original(digits):
    before = digits.images.copy(), digits.labels.copy()
    spiked, spikes = spike(digits, np.random.default_rng(0))
    planted = np.logical_or.reduce([s.rows for s in spikes])
    differs = (spiked.images != digits.images).any(axis=(1, 2, 3)) | (spiked.labels != digits.labels)
    np.testing.assert_array_equal(planted, differs)
    np.testing.assert_array_equal(digits.images, before[0])
    np.testing.assert_array_equal(digits.labels, before[1])


def test_backdoors_carry_their_target_and_label_flips_leave_the_picture(digits):
    spiked, spikes = spike(digits, np.random.default_rng(0))
    for planted in spikes:
        assert planted.rows.sum() == round(planted.rate * len(digits))
        assert (spiked.labels[planted.rows] != digits.labels[planted.rows]).all()
        if planted.target is None:
            np.testing.assert_array_equal(spiked.images[planted.rows], digits.images[planted.rows])
        else:
            assert (spiked.labels[planted.rows] == planted.target).all()


def test_two_classes_hold_two_backdoors_at_most():
    rng = np.random.default_rng(0)
    data = dataset(rng.integers(0, 256, (1_000, 1, 8, 8)).astype(np.uint8), np.arange(1_000) % 2, 2)
    _, spikes = spike(data, rng)
    assert len([s for s in spikes if s.target is not None]) == 2


def test_a_set_too_small_for_any_spike_is_left_as_it_is():
    data = dataset(np.zeros((40, 1, 8, 8), np.uint8), np.arange(40) % 2, 2)
    spiked, spikes = spike(data, np.random.default_rng(0))
    assert spikes == ()
    assert spiked.merkle_root == data.merkle_root


def test_lopsided_sets_get_what_fits():
    """Ten rows of one class in a thousand: whatever is planted is what it says."""
    labels = np.r_[np.zeros(990, np.int64), np.ones(10, np.int64)]
    data = dataset(np.random.default_rng(1).integers(0, 256, (1_000, 1, 8, 8)).astype(np.uint8), labels, 2)
    for seed in range(5):
        spiked, spikes = spike(data, np.random.default_rng(seed))
        planted = np.logical_or.reduce([s.rows for s in spikes])
        np.testing.assert_array_equal(planted, spiked.labels != data.labels)
        assert all(s.rows.sum() >= FEWEST for s in spikes)


def test_tables_get_flips_only_and_keep_their_cells():
    rng = np.random.default_rng(0)
    data = dataset(table(2_000, rng), rng.integers(0, 3, 2_000), 3)
    spiked, spikes = spike(data, rng)
    assert {s.target for s in spikes} == {None}
    assert isinstance(spiked.inputs, pa.Table)
    assert spiked.table.equals(data.table)


def test_the_same_stream_plants_the_same(digits):
    (a, _), (b, _), (c, _) = (spike(digits, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert a.merkle_root == b.merkle_root != c.merkle_root


def test_power_and_false_alarms_are_counted_as_by_hand(digits):
    spiked, spikes = spike(digits, np.random.default_rng(0))
    patch, flip = spikes[0], next(s for s in spikes if s.target is None)
    caught = np.flatnonzero(patch.rows)[:12]
    honest = np.flatnonzero(~np.logical_or.reduce([s.rows for s in spikes]))[:9]
    flagged = np.concatenate([np.flatnonzero(flip.rows)[:5], honest])
    found = judgement(
        spiked,
        hypotheses=(hypothesis(caught, len(spiked), target=patch.target),),
        labels=no_labels(spiked, flagged=spiked.mask(flagged)),
    )
    power, alarms = measure(found, spikes)
    by_kind = {(row.kind, row.rate): row for row in power}
    first, second = by_kind[patch.kind, patch.rate], by_kind[flip.kind, flip.rate]
    assert (first.caught, first.spiked, first.confirmed) == (12, patch.rows.sum(), True)
    assert first.power == pytest.approx(12 / patch.rows.sum())
    assert first.low < first.power < first.high
    assert (second.caught, second.confirmed) == (5, None)
    assert alarms.n == len(spiked) - sum(s.rows.sum() for s in spikes)
    assert alarms.value == pytest.approx(9 / alarms.n)
    assert [row.confirmed for row in power if row.kind == "blended backdoor"] == [False, False]


def test_without_spikes_every_flag_is_a_false_alarm():
    data = dataset(np.zeros((40, 1, 2, 2), np.uint8), np.arange(40) % 2, 2)
    power, alarms = measure(judgement(data, labels=no_labels(data, flagged=data.mask(np.arange(4)))), ())
    assert power == ()
    assert (alarms.value, alarms.n) == (0.1, 40)
