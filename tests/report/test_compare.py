"""Comparing two grids: what is claimed holds, noise claims next to nothing, and what is not there is no number."""

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from bezoar.engine.grids.results import Cell, Measured, Result, Results
from bezoar.report import compared
from bezoar.report.compare import Verdict, compare, dump
from sample_grids import CODE, cells, failed, hostile, key, results_of, run, share, whole, with_gaps


def done(value, *, seed=0, figure="auroc", detector="a", rate=0.01, n=500, seconds=1.0, **changes):
    cell = dataclasses.replace(
        Cell(attack="badnets", data="digits", rate=rate, seed=seed, detector=detector), **changes
    )
    figures = {figure: share(value, n)}
    return Result(cell=cell, key=key(cell, CODE), status="done", figures=figures, seconds=seconds, run="run-1")


def of(values, figure="auroc", **changes):
    return results_of([done(value, seed=seed, figure=figure, **changes) for seed, value in enumerate(values)])


def only(before, after, figure="auroc"):
    (change,) = [change for change in compare(before, after).changes if change.figure == figure]
    return change


def printed(comparison, width=200):
    stream = io.StringIO()
    Console(file=stream, width=width).print(compared.terminal(comparison))
    return stream.getvalue()


BEFORE, AFTER = (0.90, 0.92, 0.88, 0.90), (0.80, 0.83, 0.78, 0.79)


def test_a_change_is_the_paired_difference_of_equal_seeds():
    change = only(of(BEFORE), of(AFTER))
    oracle = stats.ttest_rel(AFTER, BEFORE)
    ends = oracle.confidence_interval()
    assert (change.before, change.after) == pytest.approx((np.mean(BEFORE), np.mean(AFTER)))
    assert (change.low, change.high) == pytest.approx((ends.low, ends.high))
    assert change.p_value == pytest.approx(oracle.pvalue)
    assert change.seeds == (0, 1, 2, 3)


def test_seeds_are_paired_by_number_and_not_by_order():
    backwards = results_of([done(value, seed=seed) for seed, value in reversed(list(enumerate(AFTER)))])
    assert only(of(BEFORE), backwards) == only(of(BEFORE), of(AFTER))


@pytest.mark.parametrize(
    ("figure", "down", "up"),
    [
        ("auroc", Verdict.WORSE, Verdict.BETTER),
        ("tpr", Verdict.WORSE, Verdict.BETTER),
        ("accuracy", Verdict.WORSE, Verdict.BETTER),
        ("fpr", Verdict.BETTER, Verdict.WORSE),
        ("asr", Verdict.LOWER, Verdict.HIGHER),
        ("rounds", Verdict.LOWER, Verdict.HIGHER),
    ],
)
def test_each_figure_has_its_own_direction_of_better(figure, down, up):
    assert only(of(BEFORE, figure), of(AFTER, figure), figure).verdict is down
    assert only(of(AFTER, figure), of(BEFORE, figure), figure).verdict is up


def timed(times, **changes):
    found = [done(0.9, seed=seed, seconds=seconds) for seed, seconds in enumerate(times)]
    return results_of(found, **changes)


def test_fewer_seconds_are_better_on_the_same_hardware():
    slow, fast = timed((2.0, 2.1, 2.2)), timed((1.0, 1.12, 1.19))
    assert only(slow, fast, "seconds").verdict is Verdict.BETTER
    assert only(fast, slow, "seconds").verdict is Verdict.WORSE


@pytest.mark.parametrize("changes", [{"hardware": {"processor": "another"}}, {"workers": 1}, {"executor": "ray"}])
def test_seconds_of_other_machines_are_not_compared(changes):
    change = only(timed((2.0, 2.1, 2.2)), timed((1.0, 1.12, 1.19), **changes), "seconds")
    assert change.verdict is Verdict.NOT_COMPARABLE
    assert "other hardware" in change.reason


def test_one_seed_is_judged_by_the_intervals_of_the_measurements_and_says_so():
    far, near = only(of([0.9]), of([0.8])), only(of([0.9]), of([0.89]))
    assert (far.verdict, near.verdict) == (Verdict.WORSE, Verdict.SAME)
    assert "one seed in common" in far.reason


def test_one_seed_without_intervals_is_not_comparable():
    bare = [
        dataclasses.replace(result, figures={"auroc": Measured(value=value)})
        for result, value in ((done(0.9), 0.9), (done(0.5), 0.5))
    ]
    change = only(results_of(bare[:1]), results_of(bare[1:]))
    assert change.verdict is Verdict.NOT_COMPARABLE
    assert (change.difference, change.p_value) == (None, None)


def test_a_step_that_all_seeds_share_exactly_is_not_taken_for_certainty():
    """18 and 19 of 20 rows at three seeds: a formula with no spread in it would give p = 0."""
    change = only(of((0.90, 0.85, 0.90), n=20), of((0.95, 0.90, 0.95), n=20))
    assert change.verdict is Verdict.SAME
    assert "all seeds differ by the same amount" in change.reason


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ("failed", "MemoryError: none left", "B: 1 of 1 failed (MemoryError: none left)"),
        ("not_applicable", "images only", "B: 1 of 1 not applicable (images only)"),
    ],
)
def test_what_failed_on_a_side_is_not_comparable_and_counted_as_lost(status, reason, told):
    comparison = compare(of([0.9]), results_of([failed(done(0.9), reason, status)]))
    assert [change.verdict for change in comparison.changes] == [Verdict.NOT_COMPARABLE] * 2
    assert {change.reason for change in comparison.changes} == {told}
    assert (comparison.lost, comparison.gained) == (1, 0)
    assert "Cells done in A and not in B: 1." in printed(comparison)


def test_what_is_missing_on_a_side_is_not_comparable():
    comparison = compare(results_of([], [done(0.9).cell]), of([0.9]))
    assert {change.reason for change in comparison.changes} == {"A: 1 of 1 missing"}
    assert (comparison.lost, comparison.gained) == (0, 1)


def test_seeds_that_failed_leave_the_others_to_be_compared():
    after = of(AFTER)
    hole = [failed(r, "ValueError: no") if r.cell.seed == 3 else r for r in after.results.values()]
    change = only(of(BEFORE), results_of(hole))
    assert change.seeds == (0, 1, 2)
    assert change.reason == "B: 1 of 4 failed (ValueError: no)"
    assert change.p_value == pytest.approx(stats.ttest_rel(AFTER[:3], BEFORE[:3]).pvalue)


def test_what_both_sides_refuse_is_passed_over():
    refused = dataclasses.replace(done(0.9), figures={"auroc": Measured(value=None, reason="nothing to rank")})
    assert [change.figure for change in compare(results_of([refused]), results_of([refused])).changes] == ["seconds"]


def test_cells_are_matched_whatever_the_code_and_the_name_of_the_file():
    before = of(BEFORE, data_digest="root")
    renamed = [done(v, seed=s, data_digest="root", data="copy.npz") for s, v in enumerate(AFTER)]
    other = {f"other-{r.key}": dataclasses.replace(r, key=f"other-{r.key}") for r in renamed}
    after = Results(name="b", planned={k: r.cell for k, r in other.items()}, results=other, runs=(run(),))
    assert only(before, after).verdict is Verdict.WORSE


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data_digest": "other rows"}, "the rows"),
        ({"attack_settings": {"size": 4}}, "the attack's settings"),
        ({"detector_settings": {"k": 4}}, "the detector's settings"),
        ({"recipe": {"epochs": 2}}, "the recipe"),
    ],
)
def test_what_looks_alike_and_is_not_is_told_with_what_differs(changes, told):
    (change,) = compare(of([0.9]), of([0.5], **changes)).changes
    assert change.verdict is Verdict.NOT_COMPARABLE
    assert change.reason == f"not the same on both sides: {told}"


def test_what_only_one_side_planned_is_told():
    found = compare(of([0.9]), of([0.9], rate=0.1)).changes
    assert {(change.rate, change.reason) for change in found} == {
        (0.01, "planned in A only"),
        (0.1, "planned in B only"),
    }


def test_a_small_shift_that_all_settings_share_shows_over_all_of_them():
    """Each setting alone is too noisy at three seeds."""
    comparison = compare(whole(0), whole(1, shift=-0.02))
    assert comparison.having(Verdict.WORSE) == ()
    worse = {(one.detector, one.figure) for one in comparison.overall if one.verdict is Verdict.WORSE}
    assert {("mahalanobis", "auroc"), ("loss_dynamics", "auroc"), ("isolation_forest", "auroc")} <= worse
    assert all(figure in ("auroc", "ap", "tpr_at_fpr1") for _, figure in worse)


def test_overall_means_leave_out_settings_that_lack_a_seed():
    comparison = compare(whole(0), with_gaps())
    (one,) = [c for c in comparison.overall if (c.detector, c.figure) == ("mahalanobis", "auroc")]
    # Of twelve settings two have no third seed in B: digits at 5 %, of either attack.
    assert (one.settings, one.seeds) == (10, (0, 1, 2))
    assert "2 of 12 settings stay out" in one.reason


def test_noise_alone_is_claimed_to_be_a_change_in_about_no_comparison():
    """Of 150 pairs of grids that differ by chance, at most level x 150 = 7.5 are expected to claim anything in a family."""
    asked = cells(attacks=("badnets",), data=("digits",), seeds=(0, 1, 2, 3))
    claimed = {"overall": 0, "changes": 0}
    for trial in range(150):
        comparison = compare(whole(2 * trial, asked=asked), whole(2 * trial + 1, asked=asked))
        for family in claimed:
            found = [one for one in getattr(comparison, family) if one.figure != "seconds"]
            claimed[family] += any(one.verdict not in (Verdict.SAME, Verdict.NOT_COMPARABLE) for one in found)
    # 99.9 % of binomial(150, 0.05) counts are at most 17.
    assert max(claimed.values()) <= 17


def test_a_grid_compared_with_itself_shows_no_difference():
    comparison = compare(with_gaps(), with_gaps())
    assert {one.verdict for one in comparison.overall} == {Verdict.SAME}
    assert {one.difference for one in comparison.changes if one.verdict is Verdict.SAME} == {0.0}
    assert (comparison.lost, comparison.gained) == (0, 0)


def test_json_holds_every_change_and_no_nan():
    comparison = compare(whole(0), with_gaps())
    read = json.loads(dump(comparison), parse_constant=pytest.fail)
    assert len(read["changes"]) == len(comparison.changes)
    assert {change["verdict"] for change in read["changes"]} <= set(Verdict)


def test_the_terminal_says_what_moved_how_far_and_how_sure():
    shown = printed(compare(of(BEFORE), of(AFTER))).replace("\u00a0", " ")
    assert shown.splitlines()[0].strip() == "1 worse, 0 better."
    for part in ("worse", "AUROC", "badnets", "digits", "1 %", "0.900", "0.800", "−0.100"):
        assert part in shown


def test_other_code_is_named():
    comparison = compare(of([0.9]), dataclasses.replace(of([0.9]), runs=(run(code="beef" * 16),)))
    assert "(code c0dec0de)" in compared.sides(comparison)
    assert "(code beefbeef), measured by another version of the code" in compared.sides(comparison)


@pytest.mark.parametrize("width", [60, 200])
def test_hostile_text_neither_moves_the_cursor_nor_breaks_the_page(width):
    comparison = compare(hostile(), hostile())
    for text in (printed(comparison, width), compared.page(comparison), dump(comparison)):
        assert not set("\x00\x07\x1b\x9b\u202e") & set(text)
        text.encode("utf-8")
    assert "<script" not in compared.page(comparison)


def test_the_page_holds_the_worst_first_and_says_what_it_leaves_out():
    page = compared.page(compare(of(BEFORE), of(AFTER)))
    assert page.index("Worse: 1") < page.index("No difference seen: 1")
    many = cells(attacks=("badnets",), data=tuple(f"set {i}" for i in range(30)), seeds=(0,))
    small = compared.page(compare(whole(0, asked=many), whole(0, asked=many)))
    assert len(small.encode()) < 5_000_000
    assert "more are in the JSON form" in small
