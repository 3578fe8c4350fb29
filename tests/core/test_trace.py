"""Traces: what they take, how they are cut into blocks, and what their readers share."""

import dataclasses
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bezoar.checks import planted_trace
from bezoar.core.errors import InputError
from bezoar.core.trace import Shared


def test_blocks_are_the_rows_of_each_fold_and_class_in_order():
    trace = planted_trace().trace
    expected = [
        np.flatnonzero((trace.fold == fold) & (trace.labels == label)).tolist()
        for fold in np.unique(trace.fold)
        for label in np.unique(trace.labels[trace.fold == fold])
    ]
    assert [rows.tolist() for rows in trace.blocks()] == expected


def test_a_block_has_the_same_number_whichever_other_rows_there_are():
    trace = planted_trace().trace
    numbers = [int(trace.block_of(rows[0])) for rows in trace.blocks()]
    assert numbers == list(range(2 * len(trace.data.classes)))
    rows = np.flatnonzero((trace.labels == 2) & (trace.fold == 1))
    part = dataclasses.replace(
        trace,
        data=trace.data.take(rows),
        losses=trace.losses[:, rows],
        held_out=trace.held_out[rows],
        features=trace.features[rows],
        fold=trace.fold[rows],
    )
    assert set(part.block_of(slice(None)).tolist()) == {len(trace.data.classes) + 2}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_features_may_have_any_floating_precision(dtype):
    trace = planted_trace().trace
    assert dataclasses.replace(trace, features=trace.features.astype(dtype)).features.dtype == dtype


def test_features_that_are_whole_numbers_are_refused():
    trace = planted_trace().trace
    with pytest.raises(InputError, match="`features` must be floating-point numbers. Got int64"):
        dataclasses.replace(trace, features=trace.features.astype(np.int64))


def test_what_two_threads_need_is_computed_once():
    shared, started, calls = Shared(), threading.Event(), []

    def make():
        calls.append(1)
        started.wait(5)
        return object()

    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(shared.once, "key", make) for _ in range(2))
        started.set()
        assert first.result() is second.result()
    assert len(calls) == 1


def test_an_error_reaches_all_who_ask_and_is_not_kept():
    shared = Shared()
    with pytest.raises(ZeroDivisionError):
        shared.once("key", lambda: 1 / 0)
    assert shared.once("key", lambda: 1) == 1


def test_a_copy_and_a_pickle_of_a_trace_share_nothing_yet():
    trace = planted_trace().trace
    trace.shared.once("key", lambda: "old")
    for other in (dataclasses.replace(trace), pickle.loads(pickle.dumps(trace))):
        assert other.shared.once("key", lambda: "new") == "new"
