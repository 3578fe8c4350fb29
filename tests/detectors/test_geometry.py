"""What detectors compute for each other."""

import dataclasses

import numpy as np
import pytest

from bezoar.checks import planted_trace
from bezoar.core.detector import Need, Unit
from bezoar.core.registry import detectors_of, lookup
from bezoar.detectors.rows import geometry
from bezoar.detectors.rows.knn_disagreement import KnnDisagreement
from bezoar.maths.linear import Moments

FEATURES_ONLY = [name for name in detectors_of(Unit.ROW) if lookup("detectors", name).needs == (Need.FEATURES,)]


def counted(monkeypatch, name):
    calls = []
    original = getattr(geometry, name)
    monkeypatch.setattr(geometry, name, lambda *given, **named: calls.append(1) or original(*given, **named))
    return calls


@pytest.mark.parametrize(("many", "times"), [(0, 1), (10**9, 2)])
def test_the_components_of_a_block_are_worked_out_once_for_all_detectors(many, times, monkeypatch):
    """In a block of few numbers once more for the forest, which asks for more of them than the others."""
    trace = planted_trace().trace
    monkeypatch.setattr(geometry, "_MANY", many)
    calls = counted(monkeypatch, "leading_components")
    for name in ("spectral_signatures", "activation_clustering", "isolation_forest"):
        lookup("detectors", name)().score(trace)
    assert len(calls) == times * len(list(trace.blocks()))


@pytest.mark.parametrize("name", ["spectral_signatures", "activation_clustering"])
def test_blocks_that_are_judged_together_get_the_scores_that_each_gets_alone(name, monkeypatch):
    trace = planted_trace().trace
    expected = lookup("detectors", name)().score(dataclasses.replace(trace))
    monkeypatch.setattr(geometry, "_TOGETHER", 1)
    np.testing.assert_allclose(lookup("detectors", name)().score(trace), expected, rtol=1e-6)


def test_batches_hold_every_block_once_and_few_numbers_unless_a_block_alone_has_many(monkeypatch):
    trace = planted_trace().trace
    sizes = [trace.features[rows].size for rows in trace.blocks()]
    monkeypatch.setattr(geometry, "_TOGETHER", 2 * max(sizes))
    batches = geometry._batches(trace)
    assert sorted(number for batch in batches for number in batch) == list(range(len(sizes)))
    assert 1 < max(map(len, batches)) < len(sizes)
    assert max(len(batch) * max(sizes[number] for number in batch) for batch in batches) <= 2 * max(sizes)


def test_neighbours_are_found_once_for_all_detectors_that_ask_for_as_many(monkeypatch):
    trace = planted_trace().trace
    calls = counted(monkeypatch, "nearest")
    for k in (10, 10, 5):
        KnnDisagreement(k=k).score(trace)
    assert len(calls) == 2 * len(list(trace.folds()))


def test_shared_components_cannot_be_written_to():
    x = geometry.block_components(planted_trace().trace, 0, 3)
    assert x.shape[1] == 3
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0


@pytest.mark.parametrize("name", FEATURES_ONLY)
def test_memory_mapped_half_precision_features_get_the_scores_of_their_double_copy(name, tmp_path):
    trace = planted_trace().trace
    half = trace.features.astype(np.float16)
    np.save(tmp_path / "features.npy", half)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r", allow_pickle=False)
    found, expected = (
        lookup("detectors", name)().score(dataclasses.replace(trace, features=features))
        for features in (mapped, half.astype(np.float64))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_a_block_has_its_moments_made_once_for_all_detectors(monkeypatch):
    trace = wide_blocks()
    calls = []
    made = Moments.of
    monkeypatch.setattr(Moments, "of", lambda features: calls.append(len(features)) or made(features))
    for name in FEATURES_ONLY:
        lookup("detectors", name)().score(trace)
    sizes = sorted(len(rows) for rows in trace.blocks())
    assert sorted(size for size in calls if size in sizes) == sizes


@pytest.mark.parametrize("name", FEATURES_ONLY)
def test_scores_do_not_depend_on_the_order_in_which_blocks_are_judged(name, monkeypatch):
    expected = lookup("detectors", name)().score(wide_blocks())
    monkeypatch.setattr(geometry, "dealt_out", lambda work, items: [work(item) for item in reversed(list(items))][::-1])
    np.testing.assert_array_equal(lookup("detectors", name)().score(wide_blocks()), expected)


def wide_blocks():
    """Two folds and two classes, in blocks that are worth the room of their moments."""
    rng = np.random.default_rng(0)
    trace = planted_trace().trace
    n = len(trace.labels)
    x = rng.normal(size=(n, 4)) * [3, 2, 1, 0.5] + trace.labels[:, None]
    return dataclasses.replace(trace, features=x.astype(np.float32))
