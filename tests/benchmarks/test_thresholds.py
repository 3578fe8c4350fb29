"""A lost figure turns a run red, and a threshold that could never be lost is refused."""

import sys

import pytest
from benchmarks.figures import FIGURES, Figure
from benchmarks.thresholds import GOALS, goals

from benchmarks import __main__ as program
from benchmarks import results, table
from bezoar.core.errors import InputError

SUITES = {
    "pace": {
        "run-short": (Figure(name="faster", title="times as fast", kind="times"),),
        "run-long": (Figure(name="faster", title="times as fast", kind="times"),),
        "start": (Figure(name="quick", title="starts at once", kind="fact"),),
    }
}


def test_a_rule_holds_for_every_case_that_it_names():
    text = '[[pace]]\ncases = ["run-*"]\nfaster = { at_least = 20 }\n[[pace]]\ncases = ["start"]\nquick = { always = true }'
    found = goals(text, SUITES)["pace"]
    assert [found[case][0].goal for case in ("run-short", "run-long", "start")] == [20.0, 20.0, 1.0]
    assert found["run-long"][0].wanted == "at least 20 x"
    assert SUITES["pace"]["run-long"][0].goal is None


@pytest.mark.parametrize(("at", "reached"), [(0.39, True), (0.4, True), (0.41, False)])
def test_a_bound_from_above_is_lost_above_it(at, reached):
    text = '[[pace]]\ncases = ["run-short"]\nfaster = { at_most = 0.4 }'
    figure = goals(text, SUITES)["pace"]["run-short"][0]
    assert figure.reached([at]) is reached


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[[place]]\ncases = ["start"]\nquick = { always = true }', "suite 'place'"),
        ('[[pace]]\ncases = ["walk-*"]\nfaster = { at_least = 1 }', "case 'walk-*'"),
        ('[[pace]]\ncases = ["start"]\nfaster = { at_least = 1 }', "figure 'faster'"),
        ('[[pace]]\ncases = ["start"]\nquick = { above = 1 }', "above"),
        ('[[pace]]\ncases = ["start"]\nquick = { at_least = 1 }', "must have always"),
        ('[[pace]]\ncases = ["run-*"]\nfaster = { at_least = 1, at_most = 2 }', "must have at_least or at_most"),
    ],
)
def test_a_rule_that_could_never_be_lost_is_refused(text, named):
    with pytest.raises(InputError) as refused:
        goals(text, SUITES)
    assert named in str(refused.value)


def test_the_bounds_that_were_promised_beside_the_peers_are_in_force():
    """20 times as fast on the same features; 0.4 of the time for a whole audit; no less accurate."""
    bounds = {
        (case, figure.name): (figure.goal, figure.at_least)
        for case, figures in GOALS["sidebyside"].items()
        for figure in figures
    }
    for rows in ("20k", "60k"):
        assert bounds[f"detection-untouched-fashion{rows}", "faster"] == (20, True)
    assert bounds["audit-untouched-fashion20k", "share_of_peers_seconds"] == (0.4, False)
    assert bounds["audit-untouched-fashion20k", "accuracy_lead"] == (0, True)


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A fresh folder of results in which every case of the comparisons has this ratio."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)

    def measured(faster):
        for case in FIGURES["sidebyside"]:
            result = {"suite": "sidebyside", "case": case, "seed": 0, "controls": False, "status": "done"}
            result |= {"commit": "abc", "started": "2026-01-01T00:00:00+00:00", "load": [1.0, 1.0, 1.0]}
            result["figures"] = {"faster": faster} if case.startswith("detection") else {}
            results.append(results.file_of("sidebyside"), result)

    return measured


def test_every_lost_figure_has_its_line(suite):
    suite(8.0)
    lines = table.lost("sidebyside")
    assert len(lines) == 4
    assert lines[0].startswith("sidebyside: detection-untouched-fashion20k: ")
    assert lines[0].endswith(": 8.0 x, wanted at least 20 x")


@pytest.mark.parametrize(("faster", "status"), [(8.0, 1), (25.0, 0)])
def test_a_run_is_red_where_a_figure_is_lost(suite, monkeypatch, capsys, faster, status):
    """All cells are done, so nothing is measured here."""
    suite(faster)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "sidebyside", "--seeds", "0"])
    assert program.main() == status
    assert capsys.readouterr().err.count("lost: ") == 4 * status
