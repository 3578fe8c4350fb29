"""The page about a grid: what is not a number never becomes one, and ranks rest on cells that all have."""

import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from bezoar.engine.grids.results import Cell, Measured, Result
from bezoar.report import bench, cells, leaders, strength
from sample_grids import CODE, failed, hostile, huge, key, results_of, run, share, whole, with_gaps
from sample_reports import HOSTILE


def done(detector, value, *, attack="badnets", rate=0.01, seed=0, data="digits", figure="auroc"):
    cell = Cell(attack=attack, data=data, rate=rate, seed=seed, detector=detector)
    figures = {figure: share(value, 500)}
    return Result(cell=cell, key=key(cell, CODE), status="done", figures=figures, seconds=1.0, changed=18, rows=1797)


def board(found, planned=None, figure="auroc"):
    return leaders.board(cells.grid(results_of(found, planned)), figure, np.random.default_rng(0))


def names(rows):
    return [row.method.label for row in rows]


def chart(svg):
    return ET.fromstring(str(svg))


def text_of(page):
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).replace("\u00a0", " ").split())


def test_means_are_over_the_cells_that_all_ranked_detectors_have():
    """Against a slow count by hand, with a detector that fails now and then."""
    results = with_gaps()
    found = leaders.board(cells.grid(results), "auroc", np.random.default_rng(0))
    assert names(found.leaders) == ["mahalanobis", "loss_dynamics", "isolation_forest"]
    places = {}
    for result in results.results.values():
        measured = result.figures.get("auroc")
        if result.status == "done" and measured is not None and measured.value is not None:
            setting = (result.cell.attack, result.cell.data, result.cell.rate)
            places.setdefault((setting, result.cell.seed), {})[result.cell.detector] = measured.value
    shared = {place: by for place, by in places.items() if set(names(found.leaders)) <= by.keys()}
    assert (found.shared, found.cells, found.planned) == (len(shared), len(places), 2 * 2 * 3 * 3)
    for leader in found.leaders:
        by_setting = {}
        for (setting, _), by in shared.items():
            by_setting.setdefault(setting, []).append(by[leader.method.name])
        assert leader.mean == pytest.approx(np.mean([np.mean(values) for values in by_setting.values()]))


def test_a_detector_that_ran_only_where_it_is_easy_does_not_lead():
    """Over its own cells it would have the higher mean; over the shared ones it is behind."""
    found = [done("steady", value, rate=rate) for rate, value in ((0.001, 0.6), (0.01, 0.8), (0.1, 0.99))]
    found += [done("choosy", 0.75, rate=0.01), done("choosy", 0.98, rate=0.1)]
    assert names(board(found).leaders) == ["steady", "choosy"]


def test_a_detector_that_failed_mostly_is_not_ranked_and_takes_no_cells_away():
    found = [done(name, value, seed=seed) for name, value in (("a", 0.9), ("b", 0.8)) for seed in range(4)]
    broken = [done("broken", 1.0, seed=0), *(failed(done("broken", 1.0, seed=s), "ValueError: no") for s in (1, 2, 3))]
    told = board(found + broken)
    assert names(told.leaders) == ["a", "b"]
    assert told.shared == 4
    (left_out,) = told.unranked
    assert (left_out.method.label, left_out.measured, left_out.absent) == ("broken", 1, {"failed": 3})


def test_figures_of_a_cell_that_failed_count_for_nothing():
    """A record that says failed and carries a number all the same, such as -1."""
    liar = dataclasses.replace(done("a", 0.9, seed=1), status="failed", figures={"auroc": Measured(value=-1.0)})
    told = board([done("a", 0.9), liar, done("b", 0.8), done("b", 0.8, seed=1)])
    assert [(leader.method.label, leader.mean) for leader in told.leaders] == [("a", 0.9), ("b", 0.8)]


def test_every_setting_counts_the_same_however_many_seeds_it_has():
    found = [done("a", 0.9, rate=0.1, seed=seed) for seed in range(9)] + [done("a", 0.5, rate=0.001)]
    assert board(found).leaders[0].mean == pytest.approx(0.7)


def test_duels_are_counted_cell_by_cell():
    table = {"a": (0.9, 0.7, 0.5), "b": (0.8, 0.8, 0.5), "c": (0.1, 0.7, 0.9)}
    found = [done(name, value, seed=seed) for name, values in table.items() for seed, value in enumerate(values)]
    tally = {leader.method.label: (leader.won, leader.tied, leader.lost) for leader in board(found).leaders}
    assert tally == {"a": (2, 2, 2), "b": (3, 1, 2), "c": (2, 1, 3)}


def test_a_detector_that_is_better_everywhere_is_told_apart_and_one_by_luck_is_not():
    rng = np.random.default_rng(5)
    found = []
    for rate in (0.001, 0.01, 0.1):
        for seed in range(3):
            height = rng.normal(0.7, 0.05)
            found += [done("first", height, rate=rate, seed=seed), done("behind", height - 0.02, rate=rate, seed=seed)]
            found.append(done("level", height + rng.normal(0, 0.01), rate=rate, seed=seed))
    by = {leader.method.label: leader for leader in board(found).leaders}
    assert by["behind"].behind_low > 0
    apart = by["level"] if by["level"].behind else by["first"]
    assert apart.behind_low < 0 < apart.behind_high


def test_one_cell_has_no_interval():
    (leader,) = board([done("a", 0.9)]).leaders
    assert (leader.low, leader.high) == (None, None)
    assert "one cell: no interval" in text_of(bench.page(results_of([done("a", 0.9), done("b", 0.8)])))


def test_what_measures_other_figures_is_on_no_board():
    told = leaders.board(cells.grid(whole()), "auroc", np.random.default_rng(0))
    assert {"training", "audit"}.isdisjoint(names(told.leaders) + names(told.unranked))


def summary(found, planned=None, figure="auroc"):
    grid = cells.grid(results_of(found, planned))
    return grid.summary(grid.settings[0], grid.methods[0], figure)


def test_a_summary_is_the_median_and_the_range_over_seeds():
    told = summary([done("a", value, seed=seed) for seed, value in enumerate((0.9, 0.5, 0.6, 0.8))])
    assert (told.value, told.low, told.high, told.seeds) == (pytest.approx(0.7), 0.5, 0.9, 4)


def test_with_one_seed_a_summary_has_the_interval_of_that_measurement():
    one = done("a", 0.9)
    told = summary([one])
    assert (told.value, told.low, told.high) == (0.9, one.figures["auroc"].low, one.figures["auroc"].high)


def test_a_summary_says_what_became_of_the_other_seeds():
    refused = dataclasses.replace(done("a", 0.9, seed=3), figures={"auroc": Measured(value=None, reason="too few")})
    found = [
        done("a", 0.9),
        failed(done("a", 0.9, seed=1), "ValueError: no"),
        failed(done("a", 0.9, seed=2), "tables only", "not_applicable"),
        refused,
    ]
    missing = done("a", 0.9, seed=4).cell
    told = summary(found, [*(result.cell for result in found), missing])
    assert (told.value, told.seeds, told.planned) == (0.9, 1, 5)
    assert told.absent == {"failed": 1, "not applicable": 1, "no figure": 1, "missing": 1}


def test_equal_names_of_different_things_are_told_apart():
    one, other = (dataclasses.replace(done("a", 0.9).cell, data_digest=digest) for digest in ("x", "y"))
    assert len({setting.data for setting in cells.grid(results_of([], [one, other])).settings}) == 2


def curves(found, planned=None, figure="auroc"):
    grid = cells.grid(results_of(found, planned))
    methods = [method for method in grid.methods if method.ranks]
    return strength.evaluation(grid, methods, [figure], sorted(grid.settings, key=lambda s: s.rate))


def test_a_line_breaks_where_a_number_is_missing():
    rates = (0.001, 0.003, 0.01, 0.03, 0.1)
    found = [done("a", 0.8, rate=rate) for rate in rates]
    whole_line, broken = (
        chart(curves(results, [done("a", 0.8, rate=rate).cell for rate in rates]).detection[0][1])
        for results in (found, [result for result in found if result.cell.rate != 0.01])
    )
    assert [len(line.get("points").split()) for line in whole_line.iter("polyline")] == [5]
    assert [len(line.get("points").split()) for line in broken.iter("polyline")] == [2, 2]


def test_the_band_of_a_curve_reaches_from_the_least_to_the_greatest_seed():
    found = [done("a", v, rate=rate, seed=s) for rate in (0.01, 0.1) for s, v in enumerate((0.2, 0.5, 0.9))]
    (group,) = chart(curves(found).detection[0][1]).iter("g")
    low, high, middle = 0.2, 0.9, 0.5
    heights = [float(point.split(",")[1]) for point in group.find("polygon").get("points").split()]
    (line,) = {float(point.split(",")[1]) for point in group.find("polyline").get("points").split()}
    # Heights grow downwards: the share of the way from the lower edge to the upper one is that of the values.
    assert (max(heights) - line) / (max(heights) - min(heights)) == pytest.approx(
        (middle - low) / (high - low), abs=0.01
    )


def test_strength_is_given_as_a_share_and_as_a_number_of_rows():
    texts = [
        text.text for text in chart(curves([done("a", 0.8), done("a", 0.9, rate=0.1)]).detection[0][1]).iter("text")
    ]
    assert "1\u00a0%" in texts
    assert "18" in texts


def test_effect_is_drawn_with_the_accuracy_of_the_untouched_set():
    grid = cells.grid(whole())
    settings = [s for s in grid.settings if (s.data, s.attack) == ("digits", "badnets")]
    drawn = chart(strength.evaluation(grid, [], [], settings).effect)
    assert len(list(drawn.iter("polyline"))) == 2
    assert len([line for line in drawn.iter("line") if line.get("class") == "chance"]) == 1


def test_the_page_counts_what_is_there_and_what_is_not():
    results = with_gaps()
    shown = text_of(bench.page(results))
    assert "Of 252 cells: 14 failed, 12 missing." in shown
    for name, count in (("Done", 207), ("Failed", 14), ("Missing", 12), ("Not applicable", 19)):
        assert f"{name} {count}" in shown
    for reason in ("FloatingPointError: no epoch ended", "Needs features, which a table has none of."):
        assert reason in shown
    assert "No cell of 252 failed or is missing." in text_of(bench.page(whole()))


def test_tiles_without_a_number_say_why_and_have_no_colour():
    page = bench.page(with_gaps())
    gaps = re.findall(r'<td class="gap"[^>]*>([^<]*)</td>', page)
    # spectral_signatures in digits: two attacks at three rates, for three figures.
    assert len(gaps) == 18
    assert {gap.strip(" +") for gap in gaps} == {"n/a"}
    tiles = re.findall(r'<td class="h(\d+)">([^<]*)</td>', page)
    assert len(tiles) == 3 * (4 * 12) - 18


def test_an_auroc_of_chance_or_below_has_no_colour_and_higher_ones_have_more():
    blocks = re.findall(r'<div class="figure auroc">.*?</table>', bench.page(whole()), flags=re.DOTALL)
    tiles = [pair for block in blocks for pair in re.findall(r'<td class="h(\d+)">([\d.]+)</td>', block)]
    by_value = sorted((float(value), int(warmth)) for warmth, value in tiles)
    assert [warmth for _, warmth in by_value] == sorted(warmth for _, warmth in by_value)
    assert {warmth for value, warmth in by_value if value <= 0.5} == {0}
    assert by_value[-1][1] == 9


def test_a_refused_figure_is_no_number_and_its_reason_is_told():
    page = text_of(bench.page(whole()))
    assert "AUROC, average precision, TPR at an FPR of 1 %: No row was changed, so there is nothing to rank." in page


def test_a_grid_of_which_nothing_ran_has_a_page():
    page = text_of(bench.page(results_of([], [done("a", 0.9).cell])))
    assert "Of 1 cells: 1 missing." in page
    assert "Nothing was planned." in text_of(bench.page(results_of([], [])))


def test_figures_and_kinds_that_are_not_known_here_are_shown_plainly():
    """A kind of work that a plugin adds has figures of its own, not shares."""
    cell = Cell(kind="federation", attack="alie", data="sites", rate=None, seed=0, detector="krum")
    result = Result(
        cell=cell, key=key(cell, CODE), status="done", figures={"rounds": Measured(value=12.5, low=10, high=15, n=3)}
    )
    page = text_of(bench.page(results_of([result])))
    assert "rounds" in page
    assert "12.5 10 to 15" in page


def test_equal_results_give_equal_pages_whatever_the_hash_seed():
    probe = "import hashlib; from bezoar.report import bench; from sample_grids import with_gaps; print(hashlib.sha256(bench.page(with_gaps()).encode()).hexdigest())"
    here = hashlib.sha256(bench.page(with_gaps()).encode()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)}
    there = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_hostile_text_is_escaped_and_bounded():
    page = bench.page(hostile())
    for value in HOSTILE[:2]:
        assert value not in page
    assert "a" * 400 not in page
    assert not set("\x00\x07\x1b\x9b\u202e\u2066") & set(page)
    page.encode("utf-8")
    assert "<script" not in page


def test_the_page_of_a_huge_grid_stays_under_five_megabytes_and_says_what_it_leaves_out():
    page = bench.page(huge())
    assert len(page.encode()) < 5_000_000
    assert re.search(r"\d+ more maps are left to results\.parquet", page)
    assert re.search(r"\d+ more pairs of attack and set are in results\.parquet", page)


def test_only_the_last_runs_are_shown():
    runs = tuple(run(id=f"run-{i}", command=f"bezoar bench grid-{i}.yaml") for i in range(14))
    page = bench.page(dataclasses.replace(whole(), runs=runs))
    assert "grid-13.yaml" in page
    assert "grid-3.yaml" not in page
    assert "4 earlier runs are in runs.jsonl" in page
