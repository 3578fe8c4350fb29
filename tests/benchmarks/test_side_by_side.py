"""Comparisons with peers: both sides answer what the table shows, and the arithmetic between them is right."""

import importlib
import json
import sys

import numpy as np
import pytest
from benchmarks.detection import quality, timing, tpr_within
from benchmarks.many_classes import ManyClasses
from benchmarks.own_programs import detection
from benchmarks.peer_defects import Offset, OneCloudEach
from benchmarks.thresholds import GOALS
from benchmarks.whole_audits import AuditBesidePeers, flags

from benchmarks import cases, peers, programs, whole_audits
from bezoar.core.data import Dataset
from bezoar.core.errors import BezoarError, UnknownNameError
from bezoar.engine.scoring import score_rows
from bezoar.maths.stats import auroc

needs_art = pytest.mark.skipif(not peers.is_ready("art"), reason="ART's environment is not made; `make bench` does")


def test_the_rate_of_hits_is_read_at_the_peers_false_alarms():
    """Ten others; a share of 0.2 lets two of them through, so hits must score above the third highest."""
    score = np.array([*range(10), 7.5, 6.5], dtype=float)
    changed = np.array([False] * 10 + [True] * 2)
    assert tpr_within(score, changed, 0.2) == 0.5
    assert tpr_within(score, changed, 0.3) == 1.0
    assert tpr_within(score, changed, 0.0) == 0.0
    assert tpr_within(score, changed, 1.0) == 1.0


def test_rows_that_tie_with_one_false_alarm_too_many_are_no_hits():
    assert tpr_within(np.array([1.0, 1.0, 1.0, 0.0]), np.array([False, False, True, False]), 0.34) == 0.0


SECONDS = {
    "bezoar": [1.0, 2.0, 9.0],
    "art": [10.0, 50.0, 40.0],
    "art, 1 thread": [60.0],
    "art by silhouettes": [90.0],
    "art by silhouettes, 1 thread": [80.0, 60.0, 70.0],
}


def test_the_ratio_is_that_of_the_medians_with_the_peer_on_the_threads_that_suit_it_best():
    assert timing(SECONDS) == {
        "seconds": 2.0,
        "art_seconds": 40.0,
        "faster": 20.0,
        "art_silhouette_seconds": 70.0,
        "faster_than_silhouettes": 35.0,
    }


def test_flags_are_counted_against_the_truth():
    changed = np.array([True, True, False, False, False])
    own = {"flagged": [0, 1]}
    peer = {"spectral": [0, 2], "clustering": [], "cleanlab": [2, 3, 4]}
    found = flags(own, peer, changed)
    assert (found["tpr"], found["fpr"]) == (1.0, 0.0)
    assert (found["art_spectral_tpr"], found["art_spectral_fpr"]) == (0.5, pytest.approx(1 / 3))
    assert (found["cleanlab_tpr"], found["cleanlab_fpr"]) == (0.0, 1.0)
    assert "tpr" not in flags(own, peer, np.zeros(5, dtype=bool))


@pytest.fixture
def answer(monkeypatch, capsys):
    """What a program of ours answers, without the start of a process."""

    def ask(program, file, *options):
        monkeypatch.setattr(sys, "argv", [program, str(file), *options])
        importlib.import_module(f"benchmarks.own_programs.{program}").main()
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def features(tmp_path):
    """Two small classes, the first with a far group, as a file that both sides read."""
    made, poisoned = Offset(offset=-6.0, rows=300, width=8).features(np.random.default_rng(0))
    labels = np.arange(2).repeat(300)
    file = tmp_path / "features.npz"
    np.savez(file, features=made, labels=labels, share=0.05)
    return file, poisoned


def test_our_scores_do_not_depend_on_where_a_class_lies(features):
    """Centred features rank the poison first, whatever the mean of its class: AUROC 1."""
    file, poisoned = features
    answer = programs.own("detection", file, "2")
    assert len(answer["seconds"]) == 2
    assert auroc(np.asarray(answer["spectral"])[: len(poisoned)], poisoned) == 1.0
    assert np.count_nonzero(answer["clustering"][300:]) == 0


def test_every_timed_call_starts_from_nothing(features, answer, monkeypatch):
    """What a detector leaves on a trace for the next one would make every call but the first too quick."""
    seen = []

    def noted(trace, *rest):
        seen.append(trace.shared)
        return score_rows(trace, *rest)

    monkeypatch.setattr(detection, "score_rows", noted)
    answer("detection", features[0], "3")
    assert len({id(shared) for shared in seen}) == 3


@needs_art
def test_arts_scores_turn_round_with_the_mean_of_the_class(features, answer):
    """What is not centred puts the poison last once the class lies on the other side of zero."""
    file, poisoned = features
    peer = peers.ask("art", "art_detection", file, "1")
    assert auroc(np.asarray(peer["scores"])[: len(poisoned)], poisoned) < 0.1
    assert peer["split_classes"] == 2
    assert peer["silhouette_split_classes"] in (0, 1, 2)
    assert peer["silhouette_seconds"][0] > 0
    found = quality(answer("detection", file, "1"), peer, np.append(poisoned, np.zeros(300, dtype=bool)))
    assert found["spectral_told_tpr"] > found["art_spectral_told_tpr"]


def test_clouds_that_are_one_are_not_split(tmp_path, answer):
    """At 19 reference clouds a class is split by chance in 1 of 20 cases: of 6, more than two would be odd (p < 0.003)."""
    made, labels = OneCloudEach(classes=6, rows=1_200, width=8).features(np.random.default_rng(1))
    np.savez(tmp_path / "features.npz", features=made, labels=labels)
    assert answer("detection", tmp_path / "features.npz", "1")["split_classes"] <= 2


def test_labels_are_judged_and_timed_on_saved_probabilities(tmp_path, answer):
    case = ManyClasses(rows=600, classes=12, wrong=0.1)
    probabilities, labels, changed = case.drawn(np.random.default_rng(0))
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert changed.sum() == 60
    np.savez(tmp_path / "probabilities.npz", probabilities=probabilities, labels=labels)
    found = answer("labels", tmp_path / "probabilities.npz")
    assert 0 < found["score_seconds"] < found["seconds"]
    flagged = np.zeros(600, dtype=bool)
    flagged[found["flagged"]] = True
    assert flagged[changed].mean() > flagged[~changed].mean()


def stripes(rows, rng):
    """Two classes of 8 x 8 pictures, stripes down or across."""
    labels = np.arange(rows) % 2
    images = rng.integers(0, 120, (rows, 1, 8, 8), dtype=np.uint8)
    images[labels == 0, :, ::2] += 100
    images[labels == 1, :, :, ::2] += 100
    return images, labels


def test_a_whole_audit_is_measured_beside_what_a_peer_answers(monkeypatch, answer):
    """Our side runs; the peer's answer is made up, so every figure between the two has a known value."""
    rng = np.random.default_rng(0)
    images, labels = stripes(160, rng)
    data = Dataset(inputs=images, labels=labels, classes=("down", "across"), ids=np.arange(160).astype(str))
    peer = {
        "seconds": {"fit": 1000.0, "spectral": 100.0, "clustering": 100.0, "folds": 2000.0, "cleanlab": 10.0},
        "accuracy": 0.0,
        "spectral": list(range(80)),
        "clustering": [],
        "cleanlab": [0, 1],
        "versions": {"art": "0"},
    }
    monkeypatch.setattr(whole_audits, "planted", lambda *asked: (data, np.zeros(160, dtype=bool)))
    monkeypatch.setattr(whole_audits.sets, "held_out", lambda name: data)
    monkeypatch.setattr(peers, "ask", lambda *asked: peer)
    monkeypatch.setattr(programs, "own", answer)
    monkeypatch.setattr(programs, "share_cores", lambda: None)
    result = json.loads(json.dumps(AuditBesidePeers(data="stripes").measure(0, controls=False), allow_nan=False))
    figures = result["figures"]
    assert {figure.name for figure in GOALS["sidebyside"]["audit-untouched-fashion20k"]} <= set(figures)
    assert figures["peers_seconds"] == 3210.0
    assert figures["share_of_peers_seconds"] == pytest.approx(figures["seconds"] / 3210)
    assert figures["accuracy_lead"] == figures["accuracy"] > 0.9
    assert figures["art_spectral_fpr"] == 0.5
    assert result["run"]["digests"]["data"] == data.merkle_root


def test_quick_cases_fill_the_places_that_the_table_has_for_them():
    """By field: what `quality` and `timing` give is what the table shows of a detection with poison."""
    own = {"spectral": [1.0, 0.0], "clustering": [1.0, 0.0], "split_classes": 1}
    peer = {"spectral": [1], "spectral_told": [1], "clustering": [1], "silhouette": [1], "scores": [0.0, 1.0]}
    peer |= {"split_classes": 2, "silhouette_split_classes": 1}
    found = timing(SECONDS) | quality(own, peer, np.array([True, False]))
    for case, measured in cases.SIDE_BY_SIDE.items():
        if case.startswith("detection-"):
            wanted = {figure.name for figure in GOALS["sidebyside"][case]}
            assert wanted <= set(found), case
            assert any("tpr" in name for name in wanted) == (measured.attack is not None)


def test_a_peer_that_is_not_known_is_named():
    with pytest.raises(UnknownNameError, match="no peer 'armoury'"):
        peers.environment("armoury")


def test_an_environment_that_holds_something_else_is_not_ready(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    assert not peers.is_ready("art")
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / ".ready").write_text("adversarial-robustness-toolbox==1.0")
    assert not peers.is_ready("art")


def test_an_environment_is_made_once_from_what_is_required(tmp_path, monkeypatch):
    commands = []

    def run(command, **options):
        commands.append(command)
        (tmp_path / "cleanlab").mkdir(exist_ok=True)
        return ""

    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    monkeypatch.setattr(programs, "output", run)
    first, second = peers.environment("cleanlab"), peers.environment("cleanlab")
    assert first == second == tmp_path / "cleanlab" / "bin" / "python"
    assert len(commands) == 2
    assert commands[1][-2:] == ["cleanlab>=2.9,<3", "numpy"]


def test_a_program_that_fails_is_told_in_one_line():
    with pytest.raises(BezoarError) as failed:
        programs.run([sys.executable, "-c", "print(1); raise KeyError('features')"])
    assert str(failed.value).endswith("ended with status 1: KeyError: 'features'")
    assert "\n" not in str(failed.value)


def test_a_program_gets_the_threads_that_it_is_given():
    told = [sys.executable, "-c", "import json, os; print(json.dumps({'threads': os.environ['OMP_NUM_THREADS']}))"]
    assert programs.run(told, threads=7) == {"threads": "7"}


def test_the_last_line_of_a_program_is_its_answer():
    """Libraries print what they like before it."""
    assert programs.run([sys.executable, "-c", "print('loading'); print('{\"seconds\": 1}')"]) == {"seconds": 1}
