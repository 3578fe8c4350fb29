"""The matched filter against closed forms, planted patterns and sets without any."""

import numpy as np
import pytest

from bezoar.maths.matched_filter import background, decoy_threshold, matches

CLASS = 400
PLANTED = 40


def pictures(seed, *, planted, n=4_000, d=144):
    """Rows that vary along 20 smooth directions and a little everywhere, as images do, the last 400 of one class.

    The first `planted` rows of the class carry the same pattern of nine values.
    """
    rng = np.random.default_rng(seed)
    directions = np.cumsum(rng.normal(size=(20, d)), axis=1) / 12
    x = rng.normal(size=(n, 20)) @ directions + 0.3 * rng.normal(size=(n, d))
    candidates = np.arange(n) >= n - CLASS
    carriers = np.arange(n - CLASS, n - CLASS + planted)
    x[np.ix_(carriers, np.arange(60, 69))] += 2.0
    return x.astype(np.float32), candidates, carriers, rng.random(n) < 0.5


def match(ground, candidates, start, half):
    """From one start alone."""
    (found,) = matches(ground, candidates, [start], half)
    return found


def test_in_white_noise_the_filter_is_the_mean_of_the_suspects():
    """With unit covariance the optimal filter is the signal itself (Kay 1998, section 4.3), here over 1 + ridge."""
    noise = np.random.default_rng(0).normal(size=(300, 12))
    white = np.linalg.qr(noise - noise.mean(axis=0))[0] * np.sqrt(300)
    suspects = np.array([3, 50, 120])
    expected = white @ white[suspects].mean(axis=0) / 1.01
    np.testing.assert_allclose(background(white, ridge=0.01).scores([suspects])[0], expected, atol=1e-4)


def test_in_coloured_noise_the_filter_is_whitened_by_the_covariance():
    """Kay 1998, section 4.4: weights are the inverse covariance times the signal."""
    x, *_ = pictures(0, planted=PLANTED, n=1_000)
    x = x.astype(np.float64) + 7.0
    centred = x - x.mean(axis=0)
    covariance = centred.T @ centred / len(x)
    covariance += 0.01 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    suspects = np.arange(600, 640)
    expected = centred @ np.linalg.solve(covariance, centred[suspects].mean(axis=0))
    np.testing.assert_allclose(background(x).scores([suspects])[0], expected, rtol=1e-3, atol=1e-3)


def test_scores_do_not_depend_on_a_shift_of_all_rows():
    x, *_ = pictures(0, planted=0, n=800)
    suspects = np.arange(20)
    np.testing.assert_allclose(background(x + 5).scores([suspects])[0], background(x).scores([suspects])[0], atol=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_planted_pattern_is_found_from_a_start_that_is_two_thirds_wrong(seed):
    """From 10 carriers among 30 suspects to at least 97 % of the 40 carriers, with at most one other row."""
    x, candidates, carriers, half = pictures(seed, planted=PLANTED)
    others = np.flatnonzero(candidates)[PLANTED:]
    start = np.sort(np.concatenate([carriers[:10], others[:20]]))
    found = match(background(x), candidates, start, half)
    assert np.isin(carriers, found.rows).mean() >= 0.97
    assert (~np.isin(found.rows, carriers)).sum() <= 1
    assert found.replication >= 0.9
    assert candidates[found.rows].all()
    assert (found.scores[found.rows] > found.threshold).all()


@pytest.mark.parametrize("seed", range(5))
def test_without_a_pattern_nothing_replicates(seed):
    """Any rows are like their own mean; the other half of them shows that the likeness is chance."""
    x, candidates, _, half = pictures(seed, planted=0)
    found = match(background(x), candidates, np.flatnonzero(candidates)[:30], half)
    assert found is None or found.replication < 0.3


def test_several_starts_lead_where_each_leads_by_itself():
    """Also beside those that lead nowhere."""
    x, candidates, carriers, half = pictures(0, planted=PLANTED)
    ground, others = background(x), np.flatnonzero(candidates)[PLANTED:]
    starts = [carriers[:10], np.array([], dtype=int), others[:30], carriers[5:], others[:1]]
    together = matches(ground, candidates, starts, half)
    for start, found in zip(starts, together, strict=True):
        alone = match(ground, candidates, start, half)
        assert (found is None) == (alone is None)
        if found is not None:
            assert (found.rows == alone.rows).all()
            assert found.replication == alone.replication
            np.testing.assert_allclose(found.scores, alone.scores, rtol=1e-4, atol=1e-4)


def test_match_repeats_itself():
    x, candidates, carriers, half = pictures(0, planted=PLANTED)
    first, second = (match(background(x), candidates, carriers[:10], half) for _ in range(2))
    assert (first.rows == second.rows).all()
    assert (first.scores == second.scores).all()


def test_nothing_is_matched_from_no_suspect_or_against_no_null():
    x, candidates, _, half = pictures(0, planted=0, n=800)
    ground = background(x)
    assert match(ground, candidates, np.array([], dtype=int), half) is None
    assert match(ground, np.ones(800, dtype=bool), np.arange(30), half) is None


def test_a_single_suspect_is_no_repeated_pattern():
    x, candidates, _, half = pictures(0, planted=0)
    assert match(background(x), candidates, np.flatnonzero(candidates)[:1], half) is None


def test_one_suspect_that_carries_the_pattern_can_lead_to_the_others():
    x, candidates, carriers, half = pictures(0, planted=PLANTED)
    x[carriers[:, None], np.arange(60, 69)] += 4.0
    assert np.isin(carriers, match(background(x), candidates, carriers[:1], half).rows).all()


def test_equal_rows_have_equal_scores_and_no_match():
    ground = background(np.full((50, 9), 3.0))
    assert (ground.scores([np.arange(10)]) == 0).all()
    assert match(ground, np.arange(50) < 25, np.arange(10), np.arange(50) % 2 == 0) is None


def test_columns_that_never_vary_change_nothing():
    x, *_ = pictures(0, planted=PLANTED, n=800)
    padded = np.concatenate([x, np.full_like(x, 255.0)], axis=1)
    suspects = np.arange(400, 440)
    # Twice the columns halve the mean variance, and with it the ridge.
    np.testing.assert_allclose(
        background(padded, ridge=0.02).scores([suspects])[0],
        background(x, ridge=0.01).scores([suspects])[0],
        rtol=1e-3,
        atol=0.01,
    )


def test_rows_fewer_than_columns_still_give_finite_scores():
    scores = background(np.random.default_rng(0).normal(size=(20, 100))).scores([np.arange(5)])
    assert np.isfinite(scores).all()


def slow_decoy_threshold(scores, candidates, floor, q):
    """The definition, one threshold after another."""
    for threshold in sorted({floor, *(score for score in scores if score > floor)}):
        found = sum(s > threshold for s, c in zip(scores, candidates, strict=True) if c)
        decoys = sum(s > threshold for s, c in zip(scores, candidates, strict=True) if not c)
        expected = decoys / max(1, (~candidates).sum()) * candidates.sum()
        if expected <= q * max(found, 1):
            return threshold
    raise AssertionError("above the highest score there are no decoys")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("q", [0.01, 0.1, 0.5])
def test_decoy_threshold_is_the_one_that_trying_them_all_finds(seed, q):
    rng = np.random.default_rng(seed)
    candidates = rng.random(300) < 0.3
    scores = np.round(rng.normal(size=300) + 3 * (candidates & (rng.random(300) < 0.3)), 1)  # with ties
    floor = float(rng.choice([-10, 0, 1, 10]))
    assert decoy_threshold(scores, candidates, floor, q) == slow_decoy_threshold(scores, candidates, floor, q)


def test_decoy_threshold_keeps_its_promise_on_fresh_rows():
    """1,000 ordinary and 100 planted candidates, 9,000 decoys, 20 sets: at most 5 % of all flagged are ordinary."""
    flagged, false = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        planted = np.arange(10_100) < 100
        candidates = np.arange(10_100) < 1_100
        scores = rng.normal(size=10_100) + 5 * planted
        above = candidates & (scores > decoy_threshold(scores, candidates, -np.inf, 0.05))
        flagged, false = flagged + above.sum(), false + (above & ~planted).sum()
    assert flagged > 0.9 * 2_000
    assert false <= 0.05 * flagged


def test_decoy_threshold_without_decoys_is_the_floor():
    assert decoy_threshold(np.arange(5.0), np.ones(5, dtype=bool), 1.5, 0.01) == 1.5
