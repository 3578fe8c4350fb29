"""Figures and curves against scikit-learn and closed forms."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

from bezoar import report as reports
from bezoar.cli.main import run
from bezoar.core.errors import InputError, ParameterError
from bezoar.maths.curves import judge_ranking
from bezoar.maths.stats import auroc, average_precision, bootstrap
from bezoar.report import evaluation
from sample_reports import image_report


def rng():
    return np.random.default_rng(11)


def graded(n=3000, *, ties=False):
    """Scores of which the changed tenth is somewhat higher, and the truth."""
    generator = rng()
    truth = np.arange(n) < n // 10
    scores = generator.normal(size=n) + 1.5 * truth
    return (np.round(scores) if ties else scores), truth


def judged(scores, truth, flagged=None, column="score"):
    ids = [f"row-{i}" for i in range(len(truth))]
    flagged = scores > 1.5 if flagged is None else flagged
    rows = pa.table(
        {"id": ids, "index": np.arange(len(truth)), "p_value": np.full(len(truth), 0.5), "flagged": flagged}
    )
    rows = rows.drop_columns(["p_value"]).append_column("p_value", pa.array(scores)) if column == "p_value" else rows
    rows = rows.append_column("score", pa.array(scores)) if column == "score" else rows
    report = dataclasses.replace(image_report(), rows=rows)
    return evaluation.evaluate(report, dict(zip(ids, map(bool, truth), strict=True)), rng())


@pytest.mark.parametrize("ties", [False, True])
def test_ranking_figures_are_those_of_scikit_learn(ties):
    scores, truth = graded(ties=ties)
    figures = judged(scores, truth).figures
    assert figures["auroc"].value == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert figures["ap"].value == pytest.approx(metrics.average_precision_score(truth, scores))
    for name in ("auroc", "ap"):
        assert figures[name].low < figures[name].value < figures[name].high
        assert figures[name].n == 3000


def test_rates_are_those_of_the_confusion_matrix_with_wilson_intervals():
    scores, truth = graded()
    flagged = scores > 1.5
    figures = judged(scores, truth, flagged).figures
    (_, false_alarms), (_, hits) = metrics.confusion_matrix(truth, flagged)
    for name, successes, n in (("tpr", hits, 300), ("fpr", false_alarms, 2700), ("precision", hits, flagged.sum())):
        z, share = 1.959963984540054, successes / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        rate = figures[name]
        assert (rate.value, rate.low, rate.high, rate.n) == pytest.approx((share, centre - half, centre + half, n))


def test_p_values_rank_the_smallest_first():
    scores, truth = graded()
    p = 1 / (1 + np.exp(scores))
    assert judged(p, truth, flagged=p < 0.1, column="p_value").figures["auroc"].value == pytest.approx(
        metrics.roc_auc_score(truth, scores)
    )


def test_rows_without_a_p_value_come_last():
    p = np.array([0.01, np.nan, 0.5, 0.2])
    truth = np.array([True, True, False, False])
    assert judged(p, truth, flagged=p < 0.1, column="p_value").figures["auroc"].value == 0.5


def test_no_alarm_has_no_precision():
    scores, truth = graded()
    rate = judged(scores, truth, flagged=np.zeros(3000, bool)).figures["precision"]
    assert (rate.value, rate.low, rate.high, rate.n) == (None, 0.0, 1.0, 0)


@pytest.mark.parametrize("ties", [False, True])
def test_curves_pass_through_the_points_of_scikit_learn(ties):
    scores, truth = graded(800, ties=ties)
    ranking = judge_ranking(scores, truth, rng(), replicates=50)
    roc, precision_recall = ranking.roc, ranking.precision_recall
    fpr, tpr, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(roc.x, fpr)
    np.testing.assert_allclose(roc.y, tpr)
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    np.testing.assert_allclose(precision_recall.x[1:], recall[-2::-1])
    np.testing.assert_allclose(precision_recall.y[1:], precision[-2::-1])


@pytest.mark.parametrize("ties", [False, True])
def test_intervals_agree_with_a_bootstrap_that_sorts_every_resample(ties):
    scores, truth = graded(600, ties=ties)
    quick = judge_ranking(scores, truth, rng(), replicates=600)
    for statistic, interval in ((auroc, quick.auroc), (average_precision, quick.ap)):
        slow = bootstrap(statistic, scores, truth, rng(), replicates=600)
        width = slow.high - slow.low
        assert interval.value == slow.value
        assert (interval.low, interval.high) == pytest.approx((slow.low, slow.high), abs=0.15 * width)


def test_curves_of_scores_that_are_all_alike_are_chance():
    truth = np.arange(400) < 100
    ranking = judge_ranking(np.zeros(400), truth, rng(), replicates=20)
    roc, precision_recall = ranking.roc, ranking.precision_recall
    assert roc.x.tolist() == roc.y.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(precision_recall.y, 0.25)


def test_bands_hold_the_curve_of_a_large_sample_about_as_often_as_they_say():
    """Pointwise cover of the ROC at a false positive rate of 0.2, over 120 samples of 400 rows."""
    generator = np.random.default_rng(5)
    # Normal scores one deviation apart: at FPR 0.2 the TPR is 1 - Phi(Phi^-1(0.8) - 1) = 0.5629.
    covered = 0
    for _ in range(120):
        truth = np.arange(400) < 200
        roc = judge_ranking(generator.normal(size=400) + truth, truth, generator, replicates=100).roc
        at = np.searchsorted(roc.grid, 0.2)
        covered += roc.low[at] <= 0.5629 <= roc.high[at]
    # 120 trials at 0.95 have a standard deviation of 2.4; the percentile bootstrap covers a little less.
    assert covered >= 104


def test_the_bootstrap_is_the_same_for_the_same_seed():
    scores, truth = graded()
    assert judged(scores, truth).figures == judged(scores, truth).figures


@pytest.mark.parametrize("truth", [np.zeros(10, bool), np.ones(10, bool)])
def test_a_truth_all_alike_has_no_curves(truth):
    with pytest.raises(ParameterError, match="at least one true and one false"):
        judge_ranking(np.arange(10.0), truth, rng())


@pytest.fixture
def folder(tmp_path):
    reports.write(image_report(), tmp_path / "report")
    changed = np.arange(5000) < 60
    changed[200:220] = True
    pq.write_table(pa.table({"id": [f"row-{i}" for i in range(5000)], "changed": changed}), tmp_path / "truth.parquet")
    return tmp_path


def command(folder, *more):
    return run(["evaluate", str(folder / "report"), "--truth", str(folder / "truth.parquet"), *more])


def test_json_is_one_object_and_nothing_else(folder, capsys):
    assert command(folder, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures) == ["tpr", "fpr", "precision", "auroc", "ap"]
    assert all(list(rate) == ["value", "low", "high", "n"] for rate in figures.values())
    assert figures["tpr"]["value"] == 60 / 80
    assert figures["precision"]["value"] == 60 / 75


def test_people_get_lines_and_a_page_with_both_curves(folder, capsys):
    assert command(folder) == 0
    shown = capsys.readouterr().out.replace("\u00a0", " ")
    assert "True positive rate" in shown
    assert "75 %" in shown
    page = (folder / "report" / "evaluation.html").read_text()
    assert page.count('<svg class="chart"') == 2
    assert "default-src 'none'" in page
    assert "<script" not in page


def test_the_page_goes_where_it_is_sent(folder):
    assert command(folder, "--out", str(folder / "elsewhere")) == 0
    assert (folder / "elsewhere" / "evaluation.html").exists()
    assert not (folder / "report" / "evaluation.html").exists()


def test_rows_the_audit_never_read_count_as_missed(folder, capsys):
    table = pq.read_table(folder / "truth.parquet")
    extra = pa.table({"id": ["lost-1", "lost-2"], "changed": [True, True]})
    pq.write_table(pa.concat_tables([table, extra]), folder / "truth.parquet")
    assert command(folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["tpr"] | {"low": 0, "high": 0} == {
        "value": 60 / 82,
        "low": 0,
        "high": 0,
        "n": 82,
    }


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        (pa.table({"id": ["row-1"], "changed": [True]}), "4,999 of 5,000 rows of the report are missing"),
        (pa.table({"id": [f"row-{i}" for i in range(5000)], "changed": np.zeros(5000, bool)}), "no row was changed"),
        (pa.table({"id": [f"row-{i}" for i in range(5000)], "changed": np.ones(5000, bool)}), "every row was changed"),
        (pa.table({"id": ["a", "a"], "changed": [True, False]}), "1 ids occur more than once"),
        (pa.table({"id": ["a"], "changed": ["yes"]}), "must be true or false"),
        (pa.table({"id": ["a"], "changed": pa.array([None], pa.bool_())}), "must be true or false"),
        (pa.table({"name": ["a"]}), "no column id and changed"),
    ],
)
def test_a_truth_that_does_not_fit_gives_one_line_and_exit_2(folder, capsys, truth, told):
    pq.write_table(truth, folder / "truth.parquet")
    assert command(folder) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all" * 10])
def test_a_truth_that_is_no_parquet_gives_one_line_and_exit_2(folder, capsys, content):
    (folder / "truth.parquet").write_bytes(content)
    assert command(folder) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_missing_files_give_one_line_and_exit_2(folder, capsys):
    (folder / "truth.parquet").unlink()
    assert command(folder) == 2
    assert "truth.parquet" in capsys.readouterr().err
    with pytest.raises(InputError):
        evaluation.read_truth(folder)
