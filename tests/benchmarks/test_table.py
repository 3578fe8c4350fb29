"""The table says what the results say: medians beside goals, failures apart, nothing cut short counted."""

import json

import pytest
from benchmarks.figures import Figure
from benchmarks.running import plan

from benchmarks import results, table
from bezoar.core.files import write_text


def cell(case, seed, *, controls=False, status="done", **figures):
    return {
        "suite": "foundation",
        "case": case,
        "seed": seed,
        "controls": controls,
        "status": status,
        "reason": "broke | <here>",
        "commit": "abc",
        "started": "2026-01-01T00:00:00+00:00",
        "load": [1.0, 1.0, 1.0],
        "figures": figures,
    }


@pytest.fixture
def keep(tmp_path):
    """Appends results to a file and reads back the latest of each cell."""
    path = tmp_path / "results" / "foundation.jsonl"

    def add(*cells):
        for each in cells:
            results.append(path, each)
        return results.latest(path)

    add.path = path
    return add


def line_of(found, case, figure):
    lines = table.lines_of("foundation", table.joined(found))
    return next(line for line in lines if line.case == case and line.figure.name == figure)


def test_figures_are_medians_over_seeds_beside_their_goal(keep):
    found = keep(*(cell("badnets-mnist5k", seed, tpr=tpr) for seed, tpr in enumerate([0.5, 0.98, 1.0])))
    cells = line_of(found, "badnets-mnist5k", "tpr").cells
    assert cells[2:] == ("at least 97 %", "98.00 %", "50.00 % - 100.00 %", "3", "reached")


def test_a_failed_cell_is_listed_with_its_reason_and_counted_in_no_figure(keep):
    found = keep(cell("badnets-mnist5k", 0, tpr=0.9), cell("badnets-mnist5k", 1, status="failed", tpr=1.0))
    line = line_of(found, "badnets-mnist5k", "tpr")
    assert (line.values, line.verdict) == ((0.9,), "**missed**")
    assert "- badnets-mnist5k, seed 1: broke \\| &lt;here>" in table.render("foundation", found)


def test_an_audit_with_controls_counts_for_power_alone(keep):
    found = keep(cell("untouched-digits", 0, flagged=0.0), cell("untouched-digits", 0, controls=True, flagged=0.5))
    assert line_of(found, "untouched-digits", "flagged").values == (0.0,)


def test_accuracy_after_repair_is_compared_with_the_clean_training_of_the_same_set_and_seed(keep):
    found = keep(
        cell("untouched-mnist5k", 0, accuracy=0.99),
        cell("untouched-mnist5k", 1, accuracy=0.90),
        cell("untouched-fashion20k", 0, accuracy=0.10),
        cell("blended-mnist5k", 0, relabel_accuracy=0.97),
        cell("blended-mnist5k", 2, relabel_accuracy=0.97),
    )
    line = line_of(found, "blended-mnist5k", "relabel_change")
    assert line.values == pytest.approx((-0.02,))
    assert line.verdict == "**missed**"


def test_a_yes_or_no_is_reached_only_where_every_seed_agrees():
    figure = Figure(name="confirmed", title="", kind="fact", goal=1)
    assert figure.reached([1.0, 1.0])
    assert not figure.reached([1.0, 1.0, 0.0])
    assert figure.shown([1.0, 1.0, 0.0]) == ("2 of 3", "")


def test_goals_that_are_not_measured_are_never_called_reached(keep):
    page = table.render("foundation", keep(cell("untouched-digits", 0, backdoor_found=False, flagged=0.0)))
    goals = sum(figure.goal is not None for figures in table.GOALS["foundation"].values() for figure in figures)
    assert page.startswith(f"2 goals reached, 0 missed, {goals - 2} not measured.")


def test_the_last_result_of_a_cell_counts(keep):
    found = keep(cell("untouched-digits", 0, status="failed"), cell("untouched-digits", 0, flagged=0.25))
    assert line_of(found, "untouched-digits", "flagged").values == (0.25,)


def test_a_line_that_a_crash_cut_short_costs_no_other_line(keep):
    keep(cell("untouched-digits", 0, flagged=0.0))
    with keep.path.open("a") as stream:
        stream.write(json.dumps(cell("untouched-digits", 1, flagged=1.0))[:50])
    found = keep(cell("untouched-digits", 2, flagged=0.5))
    assert line_of(found, "untouched-digits", "flagged").values == (0.0, 0.5)


def test_by_default_power_is_measured_once_for_each_untouched_set():
    cells = plan(["untouched-digits", "badnets-mnist5k"], [3, 4], None)
    assert [one for one in cells if one[2]] == [("untouched-digits", 3, True)]
    assert len(cells) == 5


def test_the_committed_table_is_that_of_the_committed_results():
    """Run `python -m benchmarks report` after measuring."""
    for suite in table.GOALS:
        path = results.file_of(suite)
        if path.exists():
            assert path.with_suffix(".md").read_text(encoding="utf-8") == table.page(suite)


def test_a_table_is_written_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    results.append(results.file_of("foundation"), cell("start-up", 0, import_seconds=0.1))
    write_text(tmp_path / "foundation.md", "old")
    assert "| start-up | `import bezoar` | at most 0.3 s | 0.10 s |" in table.write("foundation").read_text()
