"""Calibration, the noise that sure rows show, and the null for labels; both also against the plain way, entry by entry."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from bezoar.maths import blocks
from bezoar.maths import calibration as module
from bezoar.maths.calibration import Calibrated, anchor_noise, anchors, calibrated, honest_null, wrong_label_odds
from bezoar.maths.stats import benjamini_hochberg, wilson

N, K = 20_000, 5


def world(rng, sharpness):
    """True probabilities (n, k) and labels drawn from them; higher sharpness, less honest ambiguity."""
    probabilities = softmax(sharpness * rng.normal(size=(N, K)), axis=1)
    labels = (probabilities.cumsum(axis=1) < rng.random((N, 1))).sum(axis=1)
    return probabilities, np.minimum(labels, K - 1)


def flipped(labels, share, rng):
    changed = rng.random(len(labels)) < share
    return np.where(changed, (labels + rng.integers(1, K, len(labels))) % K, labels), changed


def predicted(probabilities):
    """Predictions that are calibrated as they are."""
    return Calibrated.at(1.0, np.log(probabilities))


def noise_of(probabilities, labels):
    seen = predicted(probabilities)
    return anchor_noise(seen.likeliest, seen.sure, labels, probabilities.shape[1])


def p_values(probabilities, labels, rates):
    seen = predicted(probabilities)
    return honest_null(wrong_label_odds(seen, labels, rates), seen, rates)


def slow_noise(probabilities, labels):
    """Class by class, from quantiles of all of its rows."""
    k = probabilities.shape[1]
    top, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rates = np.zeros((k, k))
    for label in np.unique(top):
        here = sure[top == label]
        half, quarter, eighth = (
            labels[(top == label) & (sure >= np.quantile(here, 1 - share))] for share in (0.5, 0.25, 0.125)
        )
        if len(half) < 5 or here[here >= np.quantile(here, 0.875)].mean() < 0.8:
            continue
        counts = np.bincount(half, minlength=k) * (np.arange(k) != label)
        smoothed = (counts + 0.5 * counts.sum() / (k - 1)) * (np.arange(k) != label)
        if smoothed.sum():
            bounds = [wilson(int((some != label).sum()), len(some)).high for some in (quarter, eighth)]
            rates[label] = smoothed / smoothed.sum() * min(counts.sum() / len(half), *bounds)
    return rates


def slow_odds(probabilities, rates):
    """(n, k), of every row and label."""
    return np.log(probabilities @ rates + 1e-12) - np.log(probabilities + 1e-12)


def slow_p(probabilities, labels, rates, *, rounding):
    """Each row's odds compared with those of all rows and labels, weighed by what is left of their probability."""
    odds = slow_odds(probabilities, rates)
    honest = np.maximum(probabilities - probabilities @ rates, 1e-7)
    honest /= honest.sum(axis=1, keepdims=True)
    own = odds[np.arange(len(labels)), labels]
    above = np.array([honest[odds >= level - rounding].sum() for level in own])
    return np.clip(above, 0.1, len(labels)) / len(labels)


def many_classes(rng, n=1500, k=60):
    """Predictions of which some are sure; a tenth of the rows repeats others to the bit, a tenth is labelled wrongly."""
    truth = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) + rng.choice([3.0, 8.0, 16.0], (n, 1)) * (np.arange(k) == truth[:, None])
    logits[: n // 10] = logits[n // 2 : n // 2 + n // 10]
    labels = np.where(rng.random(n) < 0.1, rng.integers(k, size=n), truth)
    return softmax(logits, axis=1), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_on_is_taken_off(temperature):
    rng = np.random.default_rng(0)
    probabilities, labels = world(rng, 2.0)
    logs = log_softmax(temperature * np.log(probabilities), axis=1)
    assert np.abs(calibrated(logs, labels).by_class(slice(None)).T - probabilities).mean() < 0.01


def test_calibration_leaves_the_order_of_classes_alone():
    rng = np.random.default_rng(1)
    probabilities, labels = world(rng, 2.0)
    logs = log_softmax(0.3 * np.log(probabilities), axis=1)
    assert np.array_equal(calibrated(logs, labels).by_class(slice(None)).T.argmax(axis=1), logs.argmax(axis=1))


def test_anchors_are_the_surest_share_of_every_predicted_class():
    rng = np.random.default_rng(2)
    probabilities, _ = world(rng, 2.0)
    seen = predicted(probabilities)
    chosen, top = anchors(seen.likeliest, seen.sure, 0.25), probabilities.argmax(axis=1)
    for label in range(K):
        here = top == label
        assert chosen[here].mean() == pytest.approx(0.25, abs=0.01)
        assert probabilities[here & chosen].max(axis=1).min() >= probabilities[here & ~chosen].max(axis=1).max()


def test_the_rate_of_planted_flips_is_read_off_the_sure_rows():
    """5 % of labels flipped evenly: each other class gets about 1.25 %."""
    rng = np.random.default_rng(3)
    probabilities, labels = world(rng, 12.0)
    noisy, _ = flipped(labels, 0.05, rng)
    seen = 0.95 * probabilities + 0.05 * (1 - probabilities) / (K - 1)
    rates = noise_of(seen, noisy)
    assert rates.sum(axis=1) == pytest.approx(np.full(K, 0.05), abs=0.02)
    assert np.all(np.diag(rates) == 0)


@pytest.mark.parametrize(("precision", "rounding"), [(np.float64, 1e-7), (np.float32, 5e-6)])
@pytest.mark.parametrize("block", [1, 700, 10**6])
@pytest.mark.parametrize("sparse", [0.0, 1.0], ids=["all pairs", "pairs that were seen"])
def test_odds_and_p_values_are_those_of_the_plain_way(sparse, block, precision, rounding, monkeypatch):
    monkeypatch.setattr(module, "_SPARSE", sparse)
    monkeypatch.setattr(blocks, "_BLOCK", block)
    probabilities, labels = many_classes(np.random.default_rng(8))
    rates = noise_of(probabilities, labels)
    assert 0 < np.count_nonzero(rates.any(axis=1)) < len(rates)
    own = slow_odds(probabilities, rates)[np.arange(len(labels)), labels]
    np.testing.assert_allclose(
        wrong_label_odds(predicted(probabilities.astype(precision)), labels, rates), own, atol=3e-7
    )
    p = p_values(probabilities.astype(precision), labels, rates)
    # Odds that differ by a millionth at most count as equal.
    least, most = (slow_p(probabilities, labels, rates, rounding=1e-6 + sign * 2 * rounding) for sign in (-1, 1))
    assert (p >= least * (1 - 2 * rounding)).all()
    assert (p <= most * (1 + 2 * rounding)).all()


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_that_of_quantiles_taken_class_by_class(seed):
    probabilities, labels = many_classes(np.random.default_rng(seed))
    np.testing.assert_allclose(noise_of(probabilities, labels), slow_noise(probabilities, labels), rtol=1e-12)


def test_equal_rows_have_equal_p_values_in_single_precision_too():
    """Wherever in its block a row comes to lie."""
    rng = np.random.default_rng(10)
    probabilities, labels = many_classes(rng, n=400)
    order = rng.permutation(4_000) % 400
    p = p_values(probabilities.astype(np.float32)[order], labels[order], noise_of(probabilities, labels))
    for row in range(400):
        assert np.ptp(p[order == row]) == 0


@pytest.mark.parametrize("levels", [1, 7, 5_000])
def test_numbers_are_placed_among_levels_as_by_bisection(levels):
    """Also below and above all levels, at a level, and next to one."""
    rng = np.random.default_rng(9)
    values = np.unique(np.exp(rng.choice([0.01, 10.0], levels) * rng.normal(size=levels)))
    x = np.concatenate(
        [values, np.nextafter(values, 0), np.nextafter(values, np.inf), np.exp(9 * rng.normal(size=9_999))]
    )
    assert np.array_equal(module._Levels.of(values).up_to(x), np.searchsorted(values, x, side="right"))


def test_a_set_without_rows_has_no_p_values():
    assert p_values(np.ones((0, 3)), np.zeros(0, dtype=np.int64), np.zeros((3, 3))).shape == (0,)


def test_the_surest_rows_are_ranked_where_single_precision_calls_them_all_certain():
    logs = np.log(np.stack([1 - np.geomspace(1e-9, 1e-8, 40), np.geomspace(1e-9, 1e-8, 40)], axis=1)).astype(np.float32)
    seen = Calibrated.at(1.0, logs)
    assert (seen.by_class(slice(None))[0] == 1).all()
    assert np.flatnonzero(anchors(seen.likeliest, seen.sure, 0.25)).tolist() == list(range(10))


@pytest.mark.parametrize("sharpness", [0.3, 1.0])
def test_honest_ambiguity_is_not_read_as_wrong_labels(sharpness):
    """Labels drawn from the very probabilities, which are rarely sure: at most one row in a thousand is flagged."""
    rng = np.random.default_rng(4)
    probabilities, labels = world(rng, sharpness)
    rates = noise_of(probabilities, labels)
    p = p_values(probabilities, labels, rates)
    assert benjamini_hochberg(p, 0.05).mean() <= 0.001


def test_p_values_of_honest_labels_are_not_too_small():
    """At most about a share q of them lies below q."""
    rng = np.random.default_rng(5)
    probabilities, labels = world(rng, 4.0)
    rates = np.full((K, K), 0.002) * (1 - np.eye(K))
    p = p_values(probabilities, labels, rates)
    for q in (0.01, 0.05, 0.2):
        assert (p <= q).mean() <= 1.5 * q


def test_p_values_agree_with_labels_drawn_at_random():
    """Oracle: draw honest labels many times and count how often they look as wrong."""
    rng = np.random.default_rng(6)
    probabilities, labels = (each[:400] for each in world(rng, 2.0))
    rates = np.full((K, K), 0.01) * (1 - np.eye(K))
    odds = slow_odds(probabilities, rates)
    p = p_values(probabilities, labels, rates)
    honest = np.maximum(probabilities - probabilities @ rates, 1e-7)
    honest /= honest.sum(axis=1, keepdims=True)
    drawn = []
    for _ in range(200):
        picked = np.minimum((honest.cumsum(axis=1) < rng.random((400, 1))).sum(axis=1), K - 1)
        drawn.append(odds[np.arange(400), picked])
    null = np.sort(np.concatenate(drawn))
    own = odds[np.arange(400), labels]
    oracle = 1 - np.searchsorted(null, own, side="left") / len(null)
    assert np.abs(p - oracle).max() < 0.02


def test_planted_flips_have_small_p_values():
    rng = np.random.default_rng(7)
    probabilities, labels = world(rng, 12.0)
    noisy, changed = flipped(labels, 0.05, rng)
    changed &= noisy != labels
    seen = 0.95 * probabilities + 0.05 * (1 - probabilities) / (K - 1)
    rates = noise_of(seen, noisy)
    p = p_values(seen, noisy, rates)
    assert np.median(p[changed]) < 0.001 < np.quantile(p[~changed], 0.05)
