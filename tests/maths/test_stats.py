"""Intervals, p-values, rankings and enrichment against closed forms, scikit-learn, and the slow obvious version."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, fisher_exact
from sklearn.metrics import average_precision_score, roc_auc_score

from bezoar.core.errors import ParameterError
from bezoar.maths import stats

# Few distinct values, so that ties are the rule.
RANKINGS = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({truth for _, truth in rows}) == 2
)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def split(rows):
    scores, truth = zip(*rows, strict=True)
    return np.array(scores, dtype=float), np.array(truth)


def test_wilson_gives_the_textbook_interval():
    """81 of 263: 0.255 to 0.366 (Newcombe, Statistics in Medicine 17, 1998, table I, method 3)."""
    interval = stats.wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 9), (9, 9), (3, 40), (12_345, 10**6)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_wilson_agrees_with_scipy_and_touches_its_limits(successes, n, level):
    interval = stats.wilson(successes, n, level)
    known = binomtest(successes, n).proportion_ci(level, method="wilson")
    np.testing.assert_allclose((interval.low, interval.high), (known.low, known.high), rtol=1e-12)
    assert (interval.low == 0) == (successes == 0)
    assert (interval.high == 1) == (successes == n)


def test_clopper_pearson_gives_the_textbook_interval():
    """81 of 263: 0.2527 to 0.3676 (Newcombe, Statistics in Medicine 17, 1998, table I, method 5)."""
    interval = stats.clopper_pearson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2527, 0.3676)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
def test_clopper_pearson_never_covers_less_than_it_says(rate):
    n = 40
    covered = [
        interval.low <= rate <= interval.high for interval in (stats.clopper_pearson(k, n) for k in range(n + 1))
    ]
    assert binom.pmf(np.arange(n + 1), n, rate)[covered].sum() >= 0.95


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_counts_that_are_no_proportion_are_refused(successes, n):
    with pytest.raises(ParameterError, match="successes"):
        stats.wilson(successes, n)


@given(P_VALUES, st.sampled_from([0.01, 0.05, 0.2]))
def test_benjamini_hochberg_rejects_what_the_step_up_rule_does(p, q):
    ordered = sorted(p)
    passing = [i for i, value in enumerate(ordered, 1) if value <= q * i / len(p) * (1 + 1e-12)]
    cut = ordered[passing[-1] - 1] if passing else -1.0
    assert stats.benjamini_hochberg(p, q).tolist() == [value <= cut for value in p]


def test_false_discoveries_stay_below_the_rate_asked_for():
    """1,000 tests of which 100 are real, 200 times: the mean share of false ones is at most 10 % x 0.9 (plus noise)."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        p = rng.random(1000)
        p[:100] *= 1e-3
        rejected = stats.benjamini_hochberg(p, 0.1)
        shares.append(rejected[100:].sum() / max(rejected.sum(), 1))
    assert np.mean(shares) <= 0.095


@given(P_VALUES)
def test_holm_follows_its_definition(p):
    order = np.argsort(p, kind="stable")
    worst, expected = 0.0, np.empty(len(p))
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - rank) * p[i]))
        expected[i] = worst
    np.testing.assert_allclose(stats.holm(p), expected)


def test_fisher_combination_of_two_has_a_closed_form():
    """For two tests with product t the combined p-value is t (1 - log t)."""
    p = np.array([[0.01, 0.5, 1.0], [0.2, 0.5, 1.0]])
    product = p.prod(axis=0)
    np.testing.assert_allclose(stats.fisher_combination(p), product * (1 - np.log(product)))


def test_cauchy_combination_of_equal_p_values_is_that_p_value_however_small():
    p = np.array([1e-250, 1e-30, 1e-4, 0.3, 0.5, 0.9])
    np.testing.assert_allclose(stats.cauchy_combination(np.stack([p, p, p])), p, rtol=1e-9)


def test_cauchy_combination_of_one_tiny_p_value_is_about_its_bonferroni_bound():
    assert stats.cauchy_combination([[1e-8], [0.5], [0.4], [0.7]])[0] == pytest.approx(4e-8, rel=1e-3)


def test_a_p_value_of_one_does_not_cancel_a_tiny_one():
    assert stats.cauchy_combination([[1e-6], [1.0]])[0] < 3e-6


def test_cauchy_combination_keeps_its_level_for_strongly_dependent_tests():
    """Five copies of nearly the same test: Fisher would alarm many times too often."""
    rng = np.random.default_rng(0)
    p = np.clip(np.repeat(rng.random((1, 50_000)), 5, axis=0) + rng.normal(0, 1e-4, (5, 50_000)), 1e-6, 1)
    assert (stats.cauchy_combination(p) <= 0.01).mean() == pytest.approx(0.01, abs=0.002)
    assert (stats.fisher_combination(p) <= 0.01).mean() > 0.03


def test_fisher_reads_a_p_value_of_zero_as_tiny_and_stays_finite():
    assert 0 <= stats.fisher_combination([[0.0], [0.5]])[0] < 1e-290


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20), st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_conformal_p_counts_ties_against_suspicion(scores, null):
    expected = [(1 + sum(value >= score for value in null)) / (1 + len(null)) for score in scores]
    np.testing.assert_allclose(stats.conformal_p(scores, null), expected)


def test_conformal_p_with_random_ties_is_uniform_even_where_all_scores_are_equal():
    rng = np.random.default_rng(0)
    p = stats.conformal_p(np.zeros(20_000), np.zeros(50), rng=rng)
    assert 0 < p.min()
    for level in (0.01, 0.1, 0.5):
        assert (p <= level).mean() == pytest.approx(level, abs=0.01)


def test_conformal_p_of_clean_rows_alarms_no_more_often_than_it_says():
    rng = np.random.default_rng(1)
    p = np.concatenate([stats.conformal_p(rng.normal(size=20), rng.normal(size=99)) for _ in range(1000)])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.005)


@given(RANKINGS)
def test_auroc_equals_scikit_learns_with_ties(rows):
    scores, truth = split(rows)
    assert stats.auroc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


@given(RANKINGS)
def test_average_precision_equals_scikit_learns_with_ties(rows):
    scores, truth = split(rows)
    assert stats.average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_a_ranking_needs_both_kinds_of_rows(truth):
    with pytest.raises(ParameterError, match="at least one true and one false"):
        stats.auroc([0.1, 0.2], truth)


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ParameterError, match="finite"):
        stats.auroc([0.1, np.nan], [True, False])


def test_bootstrap_interval_covers_the_true_auroc_about_as_often_as_it_says():
    """Two normals a standard deviation apart have AUROC Phi(1 / sqrt 2) = 0.7602. 100 samples at a level of 0.9."""
    rng = np.random.default_rng(0)
    truth = np.arange(200) < 60
    covered = 0
    for _ in range(100):
        interval = stats.bootstrap(stats.auroc, rng.normal(size=200) + truth, truth, rng, replicates=200, level=0.9)
        covered += interval.low <= 0.7602 <= interval.high
    assert 82 <= covered <= 98


@settings(max_examples=200)
@given(RANKINGS, st.floats(0.03, 0.9))
def test_tpr_is_the_best_that_any_threshold_reaches_without_overshooting(rows, fpr):
    scores, truth = split(rows)
    if fpr * (~truth).sum() < 1:
        with pytest.raises(ParameterError, match="resolve"):
            stats.tpr_at_fpr(scores, truth, fpr)
        return
    point = stats.tpr_at_fpr(scores, truth, fpr)
    cuts = [cut for cut in [-10.0, *scores] if (scores[~truth] > cut).mean() <= fpr + 1e-12]
    assert point.fpr.value <= fpr + 1e-12
    assert point.tpr.value == max((scores[truth] > cut).mean() for cut in cuts)
    assert point.fpr.value == (scores[~truth] > point.threshold).mean()


def test_ties_never_overshoot_the_requested_false_positive_rate():
    """A peer that cuts at the quantile of tied scores flags every row here at a requested 1 %."""
    truth = np.arange(1000) < 100
    point = stats.tpr_at_fpr(np.ones(1000), truth, 0.01)
    assert (point.tpr.value, point.fpr.value) == (0.0, 0.0)


def test_a_rate_that_so_few_rows_cannot_resolve_is_refused_in_words():
    truth = np.arange(60) < 10
    with pytest.raises(ParameterError, match="50 false rows"):
        stats.tpr_at_fpr(np.arange(60.0), truth, 0.001)


def test_enrichment_is_fishers_exact_test_corrected_by_holm():
    rng = np.random.default_rng(0)
    source = rng.choice(["acme", "globex", "initech"], 300, p=[0.2, 0.3, 0.5])
    flagged = rng.random(300) < np.where(source == "acme", 0.3, 0.05)
    shares = stats.enrichment(flagged, source)
    for share in shares:
        mine = source == share.source
        table = [[(flagged & mine).sum(), (~flagged & mine).sum()], [(flagged & ~mine).sum(), (~flagged & ~mine).sum()]]
        assert share.p_value == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    raw = [share.p_value for share in shares]
    assert raw == sorted(raw)
    np.testing.assert_allclose([share.adjusted for share in shares], stats.holm(raw))


def test_the_guilty_source_is_named_first_and_alone():
    rng = np.random.default_rng(3)
    source = rng.choice([f"s{i}" for i in range(8)], 5000)
    flagged = rng.random(5000) < np.where(source == "s5", 0.08, 0.005)
    first, *others = stats.enrichment(flagged, source)
    assert first.source == "s5"
    assert first.adjusted < 1e-6
    assert all(other.adjusted > 0.05 for other in others)


@pytest.mark.parametrize("flagged", [np.zeros(60, bool), np.ones(60, bool)])
def test_no_source_is_blamed_where_none_or_all_rows_are_flagged(flagged):
    shares = stats.enrichment(flagged, np.repeat(["a", "b", "c"], 20))
    assert [share.adjusted for share in shares] == [1.0, 1.0, 1.0]


def test_innocent_sources_are_blamed_no_more_often_than_the_level():
    rng = np.random.default_rng(0)
    source = rng.choice([f"s{i}" for i in range(10)], 1000)
    blamed = [stats.enrichment(rng.random(1000) < 0.05, source)[0].adjusted <= 0.05 for _ in range(300)]
    assert np.mean(blamed) <= 0.07


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05])
def test_the_interval_of_the_poisoned_share_covers_it(rate):
    """Poison with p-values below the cut, 200 sets of 5,000 rows."""
    rng = np.random.default_rng(0)
    n, poisoned = 5000, int(rate * 5000)
    covered = 0
    for _ in range(200):
        interval = stats.poisoned_share(np.concatenate([rng.random(n - poisoned), rng.random(poisoned) * 0.1]))
        covered += interval.low <= rate <= interval.high
    assert covered >= 183


@pytest.mark.parametrize("p", [[-0.1], [1.1], [np.nan]])
def test_what_is_no_p_value_is_refused(p):
    for function in (stats.adjusted_p, stats.holm, stats.fisher_combination, stats.cauchy_combination):
        with pytest.raises(ParameterError, match="p-values"):
            function(p)
