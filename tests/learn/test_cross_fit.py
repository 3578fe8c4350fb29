"""Cross-fitting: no row is judged by a model that saw it."""

import dataclasses
import threading

import numpy as np
import pyarrow as pa
import pytest
import torch

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.learn.cross_fit import cross_fit, stratified_folds
from bezoar.learn.recipe import Recipe

RECIPE = Recipe(epochs=3, batch_size=32)


@pytest.fixture(scope="module")
def fit(digits):
    return cross_fit(digits, np.random.default_rng(0), recipe=RECIPE)


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_share_each_class_evenly(folds):
    """Sizes of a class differ by at most one between folds, as do those of all rows."""
    labels = np.random.default_rng(0).choice(4, 203, p=[0.6, 0.3, 0.07, 0.03])
    fold = stratified_folds(labels, folds, np.random.default_rng(1))
    for rows in (np.ones(203, dtype=bool), *(labels == label for label in range(4))):
        counts = np.bincount(fold[rows], minlength=folds)
        assert counts.max() - counts.min() <= 1


def test_folds_are_drawn_at_random():
    labels = np.zeros(1_000, dtype=np.int64)
    first, second = (stratified_folds(labels, 2, np.random.default_rng(seed)) for seed in (0, 1))
    assert 400 < (first == second).sum() < 600


def test_every_row_gets_losses_predictions_and_features(digits, fit):
    trace = fit.trace
    assert trace.losses.shape == (3, 600)
    assert (trace.losses > 0).all()
    np.testing.assert_allclose(np.exp(trace.held_out).sum(axis=1), 1, atol=1e-5)
    assert trace.features.shape == (600, 128)
    assert np.isfinite(trace.features).all()
    assert (trace.features.any(axis=1)).all()
    assert (trace.held_out.argmax(axis=1) == digits.labels).mean() > 0.8


def test_held_out_predictions_are_those_of_the_model_that_never_saw_the_row(digits, fit):
    for fold, model in enumerate(fit.models):
        rows = fit.trace.fold == fold
        assert (model.predict(digits.images[rows]) == fit.trace.held_out[rows]).all()
    assert (fit.predict(digits.images, fit.trace.fold) == fit.trace.held_out).all()


def check_against_chance(data, recipe=None):
    """Right in 1 of k cases, give or take 4.5 standard deviations: a model that had seen a row would know its label."""
    n, k = len(data), len(data.classes)
    trace = cross_fit(data, np.random.default_rng(0), recipe=recipe).trace
    assert trace.losses[-1].mean() < 0.7 * np.log(k)
    right = (trace.held_out.argmax(axis=1) == data.labels).sum()
    assert abs(right - n / k) < 4.5 * np.sqrt(n / k * (1 - 1 / k))


def test_random_labels_are_learnt_by_heart_and_still_held_out_at_chance(digits):
    data = digits.take(np.arange(300))
    data = dataclasses.replace(data, labels=np.random.default_rng(7).integers(0, 10, 300))
    check_against_chance(data, Recipe(epochs=15, batch_size=32))


def test_random_labels_of_a_table_are_held_out_at_chance(digits):
    pixels = digits.images.reshape(600, -1)
    table = pa.table({f"pixel {column}": pixels[:, column] for column in range(20, 40)})
    labels = np.random.default_rng(7).integers(0, 2, 600)
    check_against_chance(dataclasses.replace(digits, inputs=table, labels=labels, classes=("no", "yes")))


def test_the_same_seed_gives_the_same_trace_whatever_the_number_of_threads(digits, fit):
    torch.set_num_threads(2)
    again = cross_fit(digits, np.random.default_rng(0), recipe=RECIPE)
    for name in ("losses", "held_out", "features", "fold"):
        assert (getattr(again.trace, name) == getattr(fit.trace, name)).all(), name


def test_another_seed_gives_another_trace(digits, fit):
    other = cross_fit(digits, np.random.default_rng(1), recipe=RECIPE).trace
    assert (other.fold != fit.trace.fold).any()
    assert (other.held_out != fit.trace.held_out).any()


def test_the_callers_number_of_threads_stays_also_for_threads_to_come(digits):
    """A number set in one thread is taken over by every thread that starts later."""
    torch.set_num_threads(2)
    seen = []
    cross_fit(digits.take(np.arange(40)), np.random.default_rng(0), recipe=Recipe(epochs=1))
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert [torch.get_num_threads(), *seen] == [2, 2]


def test_global_random_state_stays(digits):
    before = torch.get_rng_state()
    cross_fit(digits.take(np.arange(40)), np.random.default_rng(0), recipe=Recipe(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_adds_up_to_rows_times_epochs(digits):
    told = []
    cross_fit(digits.take(np.arange(101)), np.random.default_rng(0), recipe=RECIPE, progress=told.append)
    assert sum(told) == 101 * 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_in_one_half_ends_both_at_once(digits, error):
    """The one that failed is raised, and the other half does not go on to its 1,000 epochs."""
    told = []

    def progress(count):
        told.append(count)
        if len(told) == 5:
            raise error("stop")

    with pytest.raises(error, match="stop"):
        cross_fit(digits, np.random.default_rng(0), recipe=Recipe(epochs=1_000), progress=progress)
    assert len(told) < 20


def test_stopped_cross_fit_resumes_to_the_same_trace(digits, fit, tmp_path):
    told = 0

    def progress(count):
        nonlocal told
        told += count
        if told > 2 * 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_fit(digits, np.random.default_rng(0), recipe=RECIPE, progress=progress, checkpoints=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold0.safetensors", "fold1.safetensors"]
    resumed = []
    again = cross_fit(
        digits, np.random.default_rng(0), recipe=RECIPE, progress=resumed.append, checkpoints=tmp_path
    ).trace
    assert max(resumed) >= 300
    assert sum(resumed) == 3 * 600
    assert (again.losses == fit.trace.losses).all()
    assert (again.held_out == fit.trace.held_out).all()


def images(labels, classes):
    rng = np.random.default_rng(0)
    labels = np.asarray(labels, dtype=np.int64)
    return Dataset(
        inputs=rng.integers(0, 256, (len(labels), 1, 8, 8), dtype=np.uint8),
        labels=labels,
        classes=tuple(f"class {index}" for index in range(classes)),
        ids=np.arange(len(labels)).astype(str),
    )


def tables(labels, classes):
    data = images(labels, classes)
    return dataclasses.replace(data, inputs=pa.table({"x": data.images[:, 0, 0, 0]}))


@pytest.mark.parametrize("kind", [images, tables])
@pytest.mark.parametrize(
    "labels",
    [[0] * 15 + [1] * 14 + [2], [0] * 30, [0] * 29 + [1], list(range(30))],
    ids=["one row in a class", "one class", "one row of the other class", "a class for each row"],
)
def test_classes_that_a_fold_lacks_are_still_predicted_for(kind, labels):
    data = kind(labels, max(labels) + 2)
    trace = cross_fit(data, np.random.default_rng(0), recipe=RECIPE).trace
    assert trace.held_out.shape == (30, max(labels) + 2)
    assert np.isfinite(trace.held_out).all()
    np.testing.assert_allclose(np.exp(trace.held_out).sum(axis=1), 1, atol=1e-4)
    assert np.isfinite(trace.losses).all()


@pytest.mark.parametrize(("kind", "least"), [(images, 4), (tables, 10)])
def test_too_few_rows_are_refused_with_how_many_it_takes(kind, least):
    with pytest.raises(InputError, match=f"{least - 1} rows are too few to cross-fit; at least {least}"):
        cross_fit(kind([0, 1] * least, 2).take(np.arange(least - 1)), np.random.default_rng(0))
    assert cross_fit(kind([0, 1] * least, 2).take(np.arange(least)), np.random.default_rng(0), recipe=RECIPE).trace


def test_text_is_refused():
    data = dataclasses.replace(images([0, 1] * 10, 2), inputs=pa.array(["a"] * 20))
    with pytest.raises(InputError, match="holds text rows, not images"):
        cross_fit(data, np.random.default_rng(0))
