"""Subgroups of a table in which something happens more often than it should."""

import numpy as np
import pytest

from bezoar.maths.subgroups import subgroups

N = 8_000


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(18, 90, N), rng.integers(0, 5, N), rng.normal(size=N)]).astype(np.float64)


def happened(columns, rate, rng):
    return rng.random(N) < rate


def test_the_condition_that_was_planted_is_found(columns):
    """One event in fifty everywhere, one in five where the first column exceeds 60."""
    rng = np.random.default_rng(1)
    rate = np.where(columns[:, 0] > 60, 0.2, 0.02)
    worst = subgroups(columns, happened(columns, rate, rng), np.full(N, 0.02), np.ones(N, dtype=bool))[0]
    ((column, way, threshold),) = worst.conditions
    assert (column, way) == (0, ">")
    assert threshold == pytest.approx(60, abs=1)
    assert worst.lift > 2
    assert worst.p_value < 1e-20
    assert np.array_equal(worst.rows, columns[:, 0] > threshold)


def test_what_was_expected_is_no_excess(columns):
    """Events are frequent above 60, as they should be: nothing stands out."""
    rng = np.random.default_rng(2)
    rate = np.where(columns[:, 0] > 60, 0.2, 0.02)
    found = subgroups(columns, happened(columns, rate, rng), rate, np.ones(N, dtype=bool))
    assert min(group.p_value for group in found) > 1e-3


def test_only_rows_looked_at_count(columns):
    rng = np.random.default_rng(3)
    looked_at = rng.random(N) < 0.5
    events = happened(columns, 0.05, rng)
    found = subgroups(columns, events, np.full(N, 0.05), looked_at)
    assert sum(group.trials for group in found) == looked_at.sum()
    assert sum(group.events for group in found) == events[looked_at].sum()


def test_missing_cells_can_be_a_subgroup(columns):
    rng = np.random.default_rng(4)
    missing = rng.random(N) < 0.2
    columns[missing, 2] = np.nan
    events = happened(columns, np.where(missing, 0.3, 0.02), rng)
    worst = subgroups(columns, events, np.full(N, 0.02), np.ones(N, dtype=bool))[0]
    assert worst.conditions[0][:2] == (2, "<=")
    assert np.array_equal(worst.rows, missing)


@pytest.mark.parametrize("looked_at", [0, 100])
def test_too_few_rows_or_no_events_give_no_subgroups(columns, looked_at):
    mask = np.arange(N) < looked_at
    assert subgroups(columns, mask.copy(), np.full(N, 0.1), mask) == ()
    assert subgroups(columns, np.zeros(N, dtype=bool), np.full(N, 0.1), np.ones(N, dtype=bool)) == ()
