"""One training a row, judged by every detector: what is measured, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.core.errors import OutputError
from bezoar.data import read
from bezoar.detectors.rows.mahalanobis import Mahalanobis
from bezoar.engine.grids import figures
from bezoar.engine.grids import rows as poisoned_rows
from bezoar.engine.grids.driver import run_grid
from bezoar.engine.grids.figures import ranking
from bezoar.learn import cross_fit as learning
from bezoar.learn.cross_fit import cross_fit
from bezoar.learn.recipe import Recipe
from made_kind import Inline, quick


@pytest.fixture
def trainings(monkeypatch):
    """How many networks were trained, and for how many epochs that no checkpoint held."""
    seen = []
    train = learning.train

    def counted(images, labels, classes, recipe, generator, *, device, progress, checkpoint, **other):
        seen.append(0)

        def tell(rows):
            seen[-1] += rows

        before = checkpoint.exists()
        result = train(images, labels, classes, recipe, generator, device=device, progress=tell, checkpoint=checkpoint)
        if before:
            seen.pop()
        return result

    monkeypatch.setattr(learning, "train", counted)
    return seen


def by_detector(results):
    return {result.cell.detector: result for result in results.results.values()}


def test_a_row_trains_once_for_all_detectors_and_the_audit(small, tmp_path, trainings, monkeypatch):
    """Two networks, one a fold. The audit takes both up from their checkpoints; only its experiments may train more."""
    results = run_grid(quick(small, "none", detectors=["mahalanobis", "audit"]), tmp_path, Inline())
    assert by_detector(results)["audit"].status == "done"
    assert len(trainings) == 2


def test_ranking_figures_are_those_of_the_detector_on_the_poisoned_set(small, tmp_path):
    """Everything done again by hand, with scikit-learn's AUROC and average precision."""
    results = run_grid(quick(small, "badnets", detectors=["mahalanobis"], seeds=[5]), tmp_path, Inline())
    found = by_detector(results)
    clean = read(small)
    poisoned = BadNets(rate=0.1).poison(clean, np.random.default_rng([5, *b"poison"]))
    recipe = Recipe(epochs=2, batch_size=32)
    fit = cross_fit(poisoned.data, np.random.default_rng(5).spawn(1)[0], recipe=recipe)
    scores = Mahalanobis().score(fit.trace)
    measured = found["mahalanobis"].figures
    assert measured["auroc"].value == pytest.approx(roc_auc_score(poisoned.changed, scores))
    assert measured["ap"].value == pytest.approx(average_precision_score(poisoned.changed, scores))
    assert measured["auroc"].low <= measured["auroc"].value <= measured["auroc"].high
    assert found["mahalanobis"].changed == found["training"].changed == 30
    right = fit.trace.held_out.argmax(axis=1)[~poisoned.changed] == clean.labels[~poisoned.changed]
    assert found["training"].figures["accuracy"].value == pytest.approx(right.mean())
    turned = [
        fit.models[fold].predict(poisoned.trigger(clean.images[rows])).argmax(axis=1) == 0
        for fold in (0, 1)
        for rows in [np.flatnonzero((fit.trace.fold == fold) & (clean.labels != 0))]
    ]
    assert found["training"].figures["asr"].value == pytest.approx(np.concatenate(turned).mean())
    assert found["training"].figures["asr"].n == (clean.labels != 0).sum()


def test_a_tpr_that_the_rows_cannot_resolve_is_refused():
    """1 % of 60 untouched rows is less than one row; of 200 it is two."""
    rng = np.random.default_rng(0)
    few, more = (ranking(rng.normal(size=n), np.arange(n) < 10, rng)["tpr_at_fpr1"] for n in (70, 210))
    assert (few.value, few.low, few.high) == (None, None, None)
    assert few.reason == "60 untouched rows cannot resolve an FPR of 1 %"
    assert more.value is not None


def test_flags_have_rates_by_hand_and_none_where_there_is_nothing_to_share():
    changed = np.array([True, True, True, False, False])
    found = figures.flags(np.array([True, False, False, True, False]), changed)
    assert [found[name].value for name in ("tpr", "fpr", "precision")] == [1 / 3, 1 / 2, 1 / 2]
    nothing = figures.flags(np.zeros(5, bool), np.zeros(5, bool))
    assert [nothing[name].value for name in ("tpr", "fpr", "precision")] == [None, 0.0, None]
    assert nothing["tpr"].reason == "no row was changed"


def test_the_control_has_accuracy_and_false_alarms_and_no_attack_success(small, tmp_path):
    found = by_detector(run_grid(quick(small, "none", detectors=["audit"]), tmp_path, Inline()))
    assert found["training"].figures["accuracy"].value > 0.3
    assert found["training"].figures["asr"].value is None
    assert found["audit"].figures["fpr"].n == 300
    assert found["audit"].figures["tpr"].value is None


def test_a_detector_that_fails_is_recorded_and_disturbs_no_other(small, tmp_path, made):
    found = by_detector(run_grid(quick(small, "badnets", detectors=["breaking", "counted"]), tmp_path, Inline()))
    assert (found["breaking"].status, found["breaking"].reason) == ("failed", "ZeroDivisionError: by nothing")
    assert found["breaking"].figures == {}
    assert found["counted"].status == found["training"].status == "done"


def test_a_training_that_fails_fails_every_cell_of_its_row(small, tmp_path, monkeypatch):
    def broken(*arguments, **settings):
        raise MemoryError("no room")

    monkeypatch.setattr(poisoned_rows, "cross_fit", broken)
    found = run_grid(quick(small, "badnets", detectors=["mahalanobis"]), tmp_path, Inline()).results.values()
    assert {(result.status, result.reason) for result in found} == {("failed", "MemoryError: no room")}


def test_a_full_disk_during_training_ends_the_grid_and_fails_no_cell(small, tmp_path, monkeypatch):
    def full(*arguments, **settings):
        raise OutputError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(poisoned_rows, "cross_fit", full)
        with pytest.raises(OutputError, match="no space"):
            run_grid(quick(small, "badnets", detectors=["mahalanobis"]), tmp_path, Inline())
    results = run_grid(quick(small, "badnets", detectors=["mahalanobis"]), tmp_path, Inline())
    assert {result.status for result in results.results.values()} == {"done"}


def test_tables_are_measured_as_well(tmp_path):
    grid = quick("breast_cancer", "label_flip", detectors=["confident_learning"])
    found = by_detector(run_grid(grid, tmp_path, Inline()))
    assert found["confident_learning"].figures["auroc"].value > 0.8
    assert found["training"].cell.recipe == {}
