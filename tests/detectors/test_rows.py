"""Row detectors on made-up traces: what each finds, what each leaves alone, and how it ranks ties and tiny classes."""

import dataclasses
import time
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from bezoar.core.data import Dataset
from bezoar.core.detector import Unit
from bezoar.core.errors import ParameterError
from bezoar.core.registry import detectors_of, lookup
from bezoar.core.trace import Trace
from bezoar.detectors.rows.activation_clustering import ActivationClustering
from bezoar.detectors.rows.confident_learning import ConfidentLearning
from bezoar.detectors.rows.duplicates import Duplicates, contradictions
from bezoar.detectors.rows.ensemble_disagreement import EnsembleDisagreement
from bezoar.detectors.rows.isolation_forest import IsolationForest
from bezoar.detectors.rows.knn_disagreement import KnnDisagreement
from bezoar.detectors.rows.loss_dynamics import LossDynamics
from bezoar.detectors.rows.near_images import near_images
from bezoar.detectors.rows.near_rows import near_rows
from bezoar.detectors.rows.spectral_signatures import SpectralSignatures
from bezoar.maths.hashing import near_pairs, perceptual_hashes
from bezoar.maths.stats import auroc

HONEST, FLIPPED, BACKDOORED = 0, 1, 2


def made_up_trace(n=1500, k=4, d=24, *, folds=3, flips=0.03, backdoors=0.02, seed=0):
    """A trace of blobs with flipped labels and a backdoor to class 0, and (n,) what was done to each row.

    The network has learned the backdoor: held-out predictions name its target, and a feature of its own shows it.
    Features of the folds differ by a rotation.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    order = rng.permutation(n)
    flipped, stamped = np.split(order, [int(flips * n), int((flips + backdoors) * n)])[:2]
    stamped = stamped[truth[stamped] != 0]
    kind, labels, looks = np.zeros(n, dtype=int), truth.copy(), truth.copy()
    kind[flipped], kind[stamped] = FLIPPED, BACKDOORED
    labels[flipped] = (labels[flipped] + rng.integers(1, k, len(flipped))) % k
    labels[stamped] = looks[stamped] = 0

    fold = rng.integers(0, folds, n)
    features = rng.normal(size=(n, d))
    features[np.arange(n), truth] += 6
    features[stamped, k] += 8
    for each in range(folds):
        features[fold == each] = features[fold == each] @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    logits = 6 * np.eye(k)[looks] + rng.normal(size=(n, k))
    losses = np.abs(rng.normal(1, 0.3, (8, n))) * np.geomspace(1, 0.02, 8)[:, None]
    losses[:, flipped] = rng.uniform(1, 3, (8, len(flipped)))
    trace = Trace(
        data=Dataset(
            inputs=rng.integers(0, 256, (n, 1, 8, 8), dtype=np.uint8),
            labels=labels,
            classes=tuple("abcdefghij"[:k]),
            ids=np.arange(n).astype(str),
        ),
        losses=losses.astype(np.float32),
        held_out=(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32),
        features=features.astype(np.float32),
        fold=fold,
    )
    return trace, kind


@pytest.mark.parametrize(
    ("detector", "kind"),
    [
        (LossDynamics(), FLIPPED),
        (ConfidentLearning(), FLIPPED),
        (EnsembleDisagreement(), FLIPPED),
        (KnnDisagreement(), FLIPPED),
        (IsolationForest(), FLIPPED),
        (SpectralSignatures(), BACKDOORED),
        (ActivationClustering(), BACKDOORED),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("seed", range(3))
def test_planted_rows_of_its_kind_are_ranked_first(detector, kind, seed):
    trace, done = made_up_trace(seed=seed)
    apart = (done == kind) | (done == HONEST)
    if kind == BACKDOORED:
        apart &= trace.labels == 0
    assert auroc(detector.score(trace)[apart], (done == kind)[apart]) >= 0.95


@pytest.mark.parametrize(
    "name", ["confident_learning", "knn_disagreement", "loss_dynamics", "spectral_signatures", "duplicates"]
)
def test_scores_of_detectors_that_draw_nothing_follow_the_rows(name):
    """Rows in another order get the same scores."""
    trace, _ = made_up_trace(600)
    order = np.random.default_rng(1).permutation(600)
    moved = Trace(
        data=trace.data.take(order),
        losses=trace.losses[:, order],
        held_out=trace.held_out[order],
        features=trace.features[order],
        fold=trace.fold[order],
    )
    detector = lookup("detectors", name)()
    np.testing.assert_allclose(detector.score(moved), detector.score(trace)[order], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", detectors_of(Unit.ROW))
def test_a_class_with_a_single_row_in_a_fold_is_scored_without_alarm_or_nan(name):
    """Class b has one row, class c two, in folds of their own; neither breaks anything."""
    trace, _ = made_up_trace(90, k=3, folds=2, flips=0.0, backdoors=0.0)
    labels = np.zeros(90, dtype=np.int64)
    labels[0], labels[1:3] = 1, 2
    trace = dataclasses.replace(trace, data=trace.data.with_labels(np.arange(90), labels))
    assert np.isfinite(lookup("detectors", name)().score(trace)).all()


@pytest.mark.parametrize("name", detectors_of(Unit.ROW))
def test_features_that_are_all_equal_are_scored_finitely(name):
    trace, _ = made_up_trace(120)
    flat = dataclasses.replace(trace, features=np.ones_like(trace.features), losses=np.zeros_like(trace.losses))
    assert np.isfinite(lookup("detectors", name)().score(flat)).all()


@pytest.mark.parametrize("name", detectors_of(Unit.ROW))
def test_a_single_class_is_scored_finitely(name):
    trace, _ = made_up_trace(120, k=1, flips=0.0, backdoors=0.0)
    assert np.isfinite(lookup("detectors", name)().score(trace)).all()


@cache
def large_trace():
    return made_up_trace(20_000, k=10, d=128)[0]


@pytest.mark.parametrize("name", detectors_of(Unit.ROW))
def test_twenty_thousand_rows_are_scored_in_seconds(name):
    """A loose bound on processor time: about 3 s on one core each, whatever else runs."""
    trace = large_trace()
    with threadpool_limits(1):
        start = time.process_time()
        lookup("detectors", name)().score(trace)
    assert time.process_time() - start < 20


@pytest.mark.parametrize("seed", range(5))
def test_clustering_gives_clean_classes_a_clean_verdict(seed):
    """At most 2 of 12 bell-shaped blocks split, by little; a peer condemns one cluster in each."""
    trace, _ = made_up_trace(flips=0.0, backdoors=0.0, seed=seed)
    scores = ActivationClustering().score(trace)
    condemned = sum(bool(scores[rows].any()) for rows in trace.blocks())
    assert condemned <= 2
    assert scores.max() < 0.1


def test_clustering_blames_no_half_of_a_class_that_honestly_holds_two_things():
    trace, _ = made_up_trace(flips=0.0, backdoors=0.0, folds=1, k=1)
    features = trace.features.copy()
    features[::2, 0] += 30
    scores = ActivationClustering().score(dataclasses.replace(trace, features=features))
    assert scores.max() < 0.01


def test_spectral_scores_stay_when_a_class_is_shifted():
    """An offset of -6 along the trigger's direction inverts the ranking of a peer that does not centre."""
    trace, done = made_up_trace(flips=0.0)
    rows = trace.labels == 0
    shifted = trace.features.copy()
    shifted[rows] -= 6 * trace.features[done == BACKDOORED].mean(axis=0) / np.sqrt(trace.features.shape[1])
    before, after = (
        SpectralSignatures().score(each)[rows] for each in (trace, dataclasses.replace(trace, features=shifted))
    )
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4)


def test_losses_of_the_first_epochs_are_not_held_against_a_row():
    trace, _ = made_up_trace()
    late = trace.losses.copy()
    late[0] = 10.0
    scores = LossDynamics().score(dataclasses.replace(trace, losses=late))
    np.testing.assert_array_equal(scores, LossDynamics().score(trace))


def test_a_row_that_is_learned_late_scores_above_one_learned_early_that_ends_alike():
    trace, _ = made_up_trace(200)
    losses = np.full_like(trace.losses, 0.01)
    losses[:6, 0] = 2.0
    assert LossDynamics().score(dataclasses.replace(trace, losses=losses)).argmax() == 0


def test_a_trace_of_a_single_epoch_is_scored():
    trace, _ = made_up_trace(200)
    assert np.isfinite(LossDynamics().score(dataclasses.replace(trace, losses=trace.losses[:1]))).all()


def test_neighbours_of_other_folds_have_no_say():
    """The same features in another fold, with other labels: disagreement is 0."""
    trace, _ = made_up_trace(200, k=2, flips=0.0, backdoors=0.0)
    fold = np.arange(200) % 2
    data = trace.data.with_labels(np.arange(200), fold.astype(np.int64))
    scores = KnnDisagreement().score(dataclasses.replace(trace, data=data, fold=fold))
    assert (scores == 0).all()


def images(rng, n):
    """Smooth pictures, each unlike the others."""
    field = gaussian_filter(rng.normal(size=(n, 1, 28, 28)), sigma=(0, 0, 3, 3))
    return np.clip(128 + 50 * field / field.std(), 0, 255).astype(np.uint8)


def image_set(inputs, labels):
    return Dataset(inputs=inputs, labels=np.array(labels), classes=tuple("abc"), ids=np.arange(len(labels)).astype(str))


def duplicate_scores(data):
    n = len(data)
    trace = Trace(
        data=data,
        losses=np.zeros((1, n), np.float32),
        held_out=np.zeros((n, len(data.classes)), np.float32),
        features=np.zeros((n, 1), np.float32),
        fold=np.zeros(n, dtype=int),
    )
    return Duplicates().score(trace)


def test_contradicting_twins_come_first_the_minority_label_before_all_then_near_ones_then_copies():
    rng = np.random.default_rng(0)
    pictures = images(rng, 30)
    pictures[1] = pictures[2] = pictures[3] = pictures[0]  # a, a, a and b
    nudged = pictures[4].astype(int) + rng.integers(-2, 3, pictures[4].shape)
    pictures[5] = np.clip(nudged, 0, 255)  # near, another label
    pictures[7] = pictures[6]  # a mere copy
    labels = np.zeros(30, dtype=int)
    labels[[3, 5]] = 1
    scores = duplicate_scores(image_set(pictures, labels))
    assert scores[3] > scores[0] == scores[1] == scores[2] > scores[4] == scores[5] > scores[6] == scores[7] > 0
    assert (scores[8:] == 0).all()


def twins(pictures):
    return near_images(pictures, np.arange(len(pictures)), 3, 0.1).tolist()


def test_pictures_that_share_a_hash_but_not_their_pixels_are_no_twins():
    """The same picture at a third of the contrast has the same hash, give or take a bit, but is another picture."""
    picture = images(np.random.default_rng(0), 1)
    faint = (picture // 3).astype(np.uint8)
    pictures = np.concatenate([picture, faint])
    assert len(near_pairs(perceptual_hashes(pictures))) == 1
    assert twins(pictures) == []


@pytest.mark.parametrize("move", [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)])
def test_a_copy_that_was_moved_by_a_pixel_is_a_twin(move):
    """Cut out of a larger picture, so that one rim is lost and another is new."""
    rng = np.random.default_rng(0)
    large = np.clip(images(rng, 40).astype(int) + rng.integers(-40, 41, (40, 1, 28, 28)), 0, 255).astype(np.uint8)
    pictures = large[:, :, 1:-1, 1:-1].copy()
    pictures[7] = large[3, :, 1 + move[0] : 27 + move[0], 1 + move[1] : 27 + move[1]]
    assert twins(pictures) == [[3, 7]]


def test_what_was_moved_by_two_pixels_or_shows_nothing_but_at_its_rim_is_no_twin():
    rng = np.random.default_rng(0)
    pictures = np.clip(images(rng, 6).astype(int) + rng.integers(-40, 41, (6, 1, 28, 28)), 0, 255).astype(np.uint8)
    pictures[1, :, 2:] = pictures[0, :, :-2]
    pictures[2:] = 0
    pictures[2, 0, 0, 5] = pictures[3, 0, 27, 20] = pictures[4, 0, 9, 0] = pictures[5, 0, 12, 27] = 255
    assert twins(pictures) == []


@pytest.mark.parametrize("shape", [(0, 1, 28, 28), (3, 1, 1, 1), (3, 3, 9, 40), (4, 1, 10, 10)])
def test_images_too_few_or_too_small_to_have_near_twins_are_taken(shape):
    assert twins(np.zeros(shape, np.uint8)) == []


def test_contradictions_lists_the_groups_of_equal_inputs_with_several_labels():
    pictures = images(np.random.default_rng(0), 6)
    pictures[3] = pictures[0]
    pictures[4] = pictures[1]
    groups = contradictions(image_set(pictures, [0, 1, 2, 1, 1, 0]))
    assert [rows.tolist() for rows in groups] == [[0, 3]]


def near(table, grain=0.01):
    return near_rows(table, np.arange(len(table)), grain).tolist()


def test_table_rows_are_twins_within_a_grain_case_and_blanks_aside_with_missing_cells_equal():
    table = pa.table(
        {
            "age": pa.array([30.0, 30.001, None, None, 55.0, 70.0, 10.0]),
            "town": ["Ulm", "ulm ", "Bern", "Bern", "Ulm", "Graz", None],
            "empty": pa.array([None] * 7, type=pa.float64()),
        }
    )
    assert near(table) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("shift", np.linspace(0, 1, 11))
def test_no_rounding_step_comes_between_two_rows(shift):
    """An interquartile range of 50: 0.4 apart is within a hundredth of it wherever the pair lies, 0.6 is not."""
    cells = np.append(np.arange(101.0) * 1.0001, [30 + shift, 30.4 + shift, 80 + shift, 80.6 + shift])
    pairs = near(pa.table({"x": cells, "kind": ["a"] * 101 + ["b"] * 4}))
    assert pairs == [[101, 102]]


@pytest.mark.parametrize("seed", range(3))
def test_near_table_rows_are_those_of_all_pairs_compared(seed):
    """Numbers, whole numbers, texts, truth values and gaps; a quarter of the rows are copies with a little noise."""
    rng = np.random.default_rng(seed)
    n = 240
    length, steps = rng.lognormal(size=n), rng.poisson(3, n)
    copies, originals = rng.choice(n, n // 4, replace=False), rng.integers(0, n, n // 4)
    spread = np.subtract(*np.quantile(length, [0.75, 0.25]))
    length[copies] = length[originals] + rng.uniform(-0.02, 0.02, n // 4) * spread
    steps[copies] = steps[originals]
    length[rng.random(n) < 0.1] = np.nan
    length[:6] = [np.inf, -np.inf, np.inf, np.nan, 1e300, 1e300]
    towns = rng.choice(["Ulm", "ulm", " Bern", "Bern"], n)
    towns[copies] = towns[originals]
    table = pa.table(
        {"length": length, "steps": steps, "town": pa.array(towns).dictionary_encode(), "fresh": towns == "Ulm"}
    )
    known = np.isfinite(length)
    spread = np.subtract(*np.quantile(length[known], [0.75, 0.25]))

    def agree(i, j):
        same = length[i] == length[j] or (np.isnan(length[i]) and np.isnan(length[j]))
        close = known[i] and known[j] and abs(length[i] - length[j]) <= 0.01 * spread
        words = towns[i].strip().casefold() == towns[j].strip().casefold() and (towns[i] == "Ulm") == (
            towns[j] == "Ulm"
        )
        return (same or close) and steps[i] == steps[j] and words

    pairs = [[i, j] for i in range(n) for j in range(i + 1, n) if agree(i, j)]
    assert len(pairs) > 10
    assert near(table) == pairs


@pytest.mark.parametrize("cells", [[1e308, -1e308, 0.0, 1.0], [np.inf, -np.inf, np.nan, 1.0], [0, 0, 0, 2**62]])
def test_extreme_numbers_in_a_table_raise_no_warning(cells):
    equal = [[i, j] for i in range(4) for j in range(i + 1, 4) if cells[i] == cells[j]]
    assert set(map(tuple, equal)) <= set(map(tuple, near(pa.table({"x": cells}))))


@pytest.mark.parametrize(
    "table", [pa.table({}), pa.table({"x": pa.array([], pa.float64()), "y": pa.array([], pa.string())})]
)
def test_a_table_without_rows_or_columns_has_no_twins(table):
    assert near(table) == []


def test_twins_of_table_rows_are_counted_with_their_equals():
    """Rows 0 to 2 are equal, 3 differs in a blank and 4 in a grain of its number, 5 is another row."""
    table = pa.table({"x": [*[7.0] * 4, 7.001, 9.0, *range(20, 120)], "word": ["a"] * 3 + ["a "] + ["a"] * 102})
    labels = np.zeros(106, dtype=int)
    labels[[2, 4]] = 1
    trace = Trace(
        data=Dataset(inputs=table, labels=labels, classes=("a", "b"), ids=np.arange(106).astype(str)),
        losses=np.zeros((1, 106), np.float32),
        held_out=np.zeros((106, 2), np.float32),
        features=np.zeros((106, 1), np.float32),
        fold=np.zeros(106, dtype=int),
    )
    scores = Duplicates().score(trace)
    # Of two equal twins, one, one and two have another label; of four near twins two and three.
    assert scores[:5] == pytest.approx([2 + 1 / 3, 2 + 1 / 3, 2 + 2 / 3, 1 + 2 / 5, 1 + 3 / 5])
    assert (scores[5:] == 0).all()


@pytest.mark.parametrize(
    ("detector", "field", "value"),
    [
        (KnnDisagreement, "k", 0),
        (IsolationForest, "trees", 0),
        (LossDynamics, "warm_up", 1.0),
        (Duplicates, "radius", -1),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(detector, field, value):
    with pytest.raises(ParameterError, match=f"`{field}`"):
        detector(**{field: value})
