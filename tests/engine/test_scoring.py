"""Scores by shards: the same wherever they are made, made once, and of every detector that can."""

import dataclasses
import pickle
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from bezoar import detectors
from bezoar.checks import planted_trace
from bezoar.core.data import Modality
from bezoar.core.detector import Need, Unit
from bezoar.core.registry import detectors_of, lookup
from bezoar.core.trace import Trace
from bezoar.data import read
from bezoar.detectors.rows.duplicates import Duplicates
from bezoar.detectors.rows.ensemble_disagreement import EnsembleDisagreement
from bezoar.detectors.rows.loss_dynamics import LossDynamics
from bezoar.detectors.rows.mahalanobis import Mahalanobis
from bezoar.engine import parts, shards
from bezoar.engine.parts import Part, Whole
from bezoar.engine.scoring import score_rows
from bezoar.engine.shards import spreading
from bezoar.learn import embedding
from bezoar.learn.cross_fit import cross_fit
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel
from bezoar.maths import linear
from bezoar.maths.linear import Moments
from elsewhere import Posted

ALL = detectors_of(Unit.ROW)


def silent(share):
    """Nobody asks."""


@pytest.fixture
def at_once(monkeypatch):
    """Processes, and results that are kept, from the first shard on."""
    monkeypatch.setattr(shards, "PATIENCE", -1.0)


@pytest.fixture
def many_parts(monkeypatch):
    """Parts of two blocks or so."""
    monkeypatch.setattr(parts, "_ROWS", 60)


def assert_same(found, expected):
    assert found.failed == expected.failed == ()
    assert list(found.by_detector) == list(expected.by_detector)
    for name, scores in expected.by_detector.items():
        np.testing.assert_array_equal(found.by_detector[name], scores, err_msg=name)


def tall(trace):
    """The trace with blocks that are worth their moments, of which each falls into several pieces."""
    return dataclasses.replace(trace, features=trace.features[:, :4])


@pytest.mark.parametrize("modality", [Modality.IMAGE, Modality.TABLE])
def test_scores_made_elsewhere_are_those_made_here(modality, many_parts):
    trace = planted_trace(modality).trace
    elsewhere = Posted()
    assert_same(score_rows(trace, ALL, silent, spread=elsewhere), score_rows(trace, ALL, silent))
    assert len(elsewhere.posted) > 10


def test_scores_made_by_processes_are_those_made_here(at_once):
    trace = planted_trace().trace
    with spreading(workers=2) as spread:
        found = score_rows(trace, ALL, silent, spread=dataclasses.replace(spread, alone=False))
    assert_same(found, score_rows(trace, ALL, silent))


def test_moments_of_large_blocks_are_counted_by_pieces_and_lent(monkeypatch):
    monkeypatch.setattr(linear, "_PIECE", 64)
    trace = tall(planted_trace().trace)
    blocks = {len(rows) for rows in trace.blocks()}
    whole, made = [], Moments.of
    monkeypatch.setattr(Moments, "of", lambda features: whole.append(len(features)) or made(features))
    expected = score_rows(trace, ALL, silent)
    counted = whole.copy()
    whole.clear()
    elsewhere = Posted()
    assert_same(score_rows(dataclasses.replace(trace), ALL, silent, spread=elsewhere), expected)
    assert not blocks & set(counted)
    assert sorted(whole) == sorted(counted)
    lent = [shard.moments for _, shard in map(pickle.loads, elsewhere.posted) if isinstance(shard, Part)]
    assert {block for moments in lent for block in moments} == set(range(8))


def test_a_part_holds_what_its_detectors_read_and_inputs_stay_here(many_parts):
    trace, elsewhere = planted_trace().trace, Posted()
    score_rows(trace, ALL, silent, spread=elsewhere)
    sent = [pickle.loads(each)[1] for each in elsewhere.posted]
    by_group = {part.detectors: set(part.read) for part in sent}
    assert by_group == {
        ("activation_clustering", "isolation_forest", "mahalanobis", "spectral_signatures"): {"features"},
        ("confident_learning",): {"held_out"},
        ("ensemble_disagreement",): {"features", "held_out"},
        ("knn_disagreement",): {"features"},
        ("loss_dynamics",): {"losses"},
    }
    sizes = {group: [len(part.labels) for part in sent if part.detectors == group] for group in by_group}
    assert all(sum(rows) == 400 for rows in sizes.values())
    assert sizes["knn_disagreement",] == sizes["ensemble_disagreement",] == [200, 200]
    assert sizes["loss_dynamics",] == [400]
    # Which group is posted first is for the threads to say.
    *joined, _ = sizes["activation_clustering", "isolation_forest", "mahalanobis", "spectral_signatures"]
    assert min(joined) >= 60


def broken(self, trace):
    raise ValueError("this detector is broken")


@pytest.mark.parametrize("far", [False, True], ids=["here", "elsewhere"])
def test_a_detector_that_fails_is_recorded_and_stops_no_other(monkeypatch, far):
    trace, told = planted_trace().trace, []
    whole = score_rows(trace, ALL, silent)
    monkeypatch.setattr(Mahalanobis, "score", broken)
    found = score_rows(trace, ALL, told.append, **({"spread": Posted()} if far else {}))
    assert [check.name for check in found.failed] == ["detector mahalanobis"]
    assert found.failed[0].detail == "ValueError: this detector is broken"
    for name in set(ALL) - {"mahalanobis"}:
        np.testing.assert_array_equal(found.by_detector[name], whole.by_detector[name])
    assert sorted(told) == pytest.approx(np.arange(1, 10) / 9)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AtHome(LossDynamics):
    """A plugin that nobody else has installed."""


def test_a_detector_that_is_not_installed_elsewhere_scores_here(monkeypatch):
    monkeypatch.setitem(sys.modules, "at_home", sys.modules[__name__])
    monkeypatch.setitem(detectors.TABLE, "at_home", "at_home:AtHome")

    class Elsewhere(Posted):
        def __call__(self, function, shards):
            with monkeypatch.context() as patch:
                for given in super().__call__(function, shards):
                    yield given
                    patch.delitem(detectors.TABLE, "at_home", raising=False)

    trace = planted_trace().trace
    elsewhere = Elsewhere()
    found = score_rows(trace, ("at_home",), silent, spread=elsewhere)
    np.testing.assert_array_equal(found.by_detector["at_home"], LossDynamics().score(trace))
    assert len(elsewhere.posted) == 1


def test_a_name_that_nobody_has_is_recorded_wherever_work_is_done():
    for spread in ({}, {"spread": Posted()}):
        found = score_rows(planted_trace().trace, ("loss_dynamics", "nobody"), silent, **spread)
        assert list(found.by_detector) == ["loss_dynamics"]
        assert "no detector named 'nobody'" in found.failed[0].detail


@pytest.mark.parametrize("far", [False, True], ids=["here", "elsewhere"])
def test_scores_that_are_kept_are_not_made_again(tmp_path, monkeypatch, at_once, far):
    trace, made = planted_trace().trace, []
    for method in (LossDynamics, Mahalanobis, Duplicates):
        score = method.score
        monkeypatch.setattr(
            method, "score", lambda self, trace, score=score: made.append(type(self).__name__) or score(self, trace)
        )
    chosen = ("duplicates", "loss_dynamics", "mahalanobis")
    given = []
    for _ in range(2):
        with spreading(workers=1, checkpoints=tmp_path) as spread:
            # With one worker, shards stay in this process.
            spread = dataclasses.replace(spread, alone=not far)
            given.append(score_rows(dataclasses.replace(trace), chosen, silent, spread=spread))
    assert sorted(made) == ["Duplicates", "LossDynamics", "Mahalanobis"]
    assert_same(*given)


def test_a_failure_is_not_kept(tmp_path, monkeypatch, at_once):
    trace = planted_trace().trace
    with monkeypatch.context() as patch, spreading(workers=1, checkpoints=tmp_path) as spread:
        patch.setattr(LossDynamics, "score", broken)
        assert score_rows(trace, ("loss_dynamics",), silent, spread=spread).failed
    with spreading(workers=1, checkpoints=tmp_path) as spread:
        assert not score_rows(trace, ("loss_dynamics",), silent, spread=spread).failed


def changed(trace: Trace, name: str) -> Trace:
    """The trace with one number changed."""
    if name in ("labels", "inputs"):
        data = trace.data
        if name == "labels":
            return dataclasses.replace(trace, data=data.with_labels(np.array([7]), (int(data.labels[7]) + 1) % 4))
        return dataclasses.replace(trace, data=data.with_images(np.array([7]), 255 - data.images[[7]]))
    array = getattr(trace, name).copy()
    one = (0, 7) if name == "losses" else 7
    array[one] = 1 - array[one]
    return dataclasses.replace(trace, **{name: array})


@pytest.mark.parametrize("detector", ALL)
def test_what_is_kept_is_told_by_what_the_detector_reads(detector):
    trace = planted_trace().trace
    reads = {"labels", "fold", *map(str, lookup("detectors", detector).needs)}
    rows = slice(None)
    kinds = [lambda trace: Whole(trace, detector)]
    if Need.INPUTS not in lookup("detectors", detector).needs:
        kinds.append(lambda trace: Part.of(trace, rows, (detector,), {}))
    for shard in kinds:
        before = shard(trace).digest()
        assert shard(dataclasses.replace(trace)).digest() == before
        for name in ("labels", "fold", "losses", "held_out", "features", "inputs"):
            assert (shard(changed(trace, name)).digest() != before) == (name in reads), name


def test_the_code_of_a_plugin_decides_what_is_kept(tmp_path, monkeypatch):
    digests = []
    for epochs in (3, 4):
        file = tmp_path / "outsider.py"
        file.write_text(
            "from dataclasses import dataclass\nfrom bezoar.detectors.rows.loss_dynamics import LossDynamics\n"
            f"@dataclass(frozen=True, slots=True, kw_only=True)\nclass Outsider(LossDynamics):\n    epochs: int = {epochs}\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "outsider", raising=False)
        monkeypatch.setitem(detectors.TABLE, "outsider", "outsider:Outsider")
        digests.append(Whole(planted_trace().trace, "outsider").digest())
    assert len(set(digests)) == 2


def go_on(folder):
    """Cross-fit and score digits, from where somebody stopped in this folder."""
    data = read("digits").take(np.arange(600))
    with spreading(workers=2, checkpoints=folder / "kept") as spread:
        recipe = Recipe(epochs=1, batch_size=32)
        fit = cross_fit(data, np.random.default_rng(0), recipe=recipe, checkpoints=folder / "training", spread=spread)
        return fit.trace, score_rows(fit.trace, ALL, silent, spread=spread)


def counted(monkeypatch, method, name):
    calls, original = [], getattr(method, name)
    monkeypatch.setattr(method, name, lambda *given: calls.append(method.__name__) or original(*given))
    return calls


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "_ROWS", embedding.BATCH)
        return go_on(tmp_path_factory.mktemp("unharmed"))


EMBEDDING = """
predict, begun = NetworkModel.predict_with_features, itertools.count()
NetworkModel.predict_with_features = lambda *given: time.sleep(600) if next(begun) >= 2 else predict(*given)
"""
SCORING = "EnsembleDisagreement.score = lambda self, trace: time.sleep(600)"


@pytest.mark.parametrize(("stuck", "kept"), [(EMBEDDING, 2), (SCORING, 4 + 8)], ids=["embedding", "scoring"])
def test_after_a_kill_only_what_is_missing_is_done(tmp_path, monkeypatch, unharmed, stuck, kept):
    """Two nets see two batches each, and nine detectors score. A program gets stuck in one of these and is killed."""
    monkeypatch.setattr(embedding, "_ROWS", embedding.BATCH)
    monkeypatch.setattr(shards, "PATIENCE", -1.0)
    here = Path(__file__).parent
    code = "import sys; sys.path[:0] = sys.argv[2:]; import itertools, time; from pathlib import Path\n"
    code += (
        f"from test_scoring import *\nembedding._ROWS, shards.PATIENCE = 256, -1.0\n{stuck}\ngo_on(Path(sys.argv[1]))"
    )
    program = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(here), str(here.parent)])
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("kept/[!.]*.npz"))) < kept:
        assert program.poll() is None and time.monotonic() < deadline, "it ended before it could be killed"
        time.sleep(0.05)
    program.kill()
    program.wait()
    seen = counted(monkeypatch, NetworkModel, "predict_with_features")
    made = [counted(monkeypatch, lookup("detectors", name), "score") for name in ALL]
    trace, scores = go_on(tmp_path)
    assert len(seen) == max(0, 4 - kept)
    stuck_in = [EnsembleDisagreement] if kept > 4 else [lookup("detectors", name) for name in ALL]
    assert sorted(chain(*made)) == sorted(method.__name__ for method in stuck_in)
    whole, expected = unharmed
    for name in ("losses", "held_out", "features"):
        np.testing.assert_array_equal(getattr(trace, name), getattr(whole, name))
    assert_same(scores, expected)
