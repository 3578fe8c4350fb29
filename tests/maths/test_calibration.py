"""Calibration, the noise that sure rows show, and the null for labels."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from bezoar.maths.calibration import anchor_noise, anchors, calibrated, honest_null, wrong_label_odds
from bezoar.maths.stats import benjamini_hochberg

N, K = 20_000, 5


def world(rng, sharpness):
    """True probabilities (n, k) and labels drawn from them; higher sharpness, less honest ambiguity."""
    probabilities = softmax(sharpness * rng.normal(size=(N, K)), axis=1)
    labels = (probabilities.cumsum(axis=1) < rng.random((N, 1))).sum(axis=1)
    return probabilities, np.minimum(labels, K - 1)


def flipped(labels, share, rng):
    changed = rng.random(len(labels)) < share
    return np.where(changed, (labels + rng.integers(1, K, len(labels))) % K, labels), changed


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_on_is_taken_off(temperature):
    rng = np.random.default_rng(0)
    probabilities, labels = world(rng, 2.0)
    logs = log_softmax(temperature * np.log(probabilities), axis=1)
    assert np.abs(calibrated(logs, labels) - probabilities).mean() < 0.01


def test_calibration_leaves_the_order_of_classes_alone():
    rng = np.random.default_rng(1)
    probabilities, labels = world(rng, 2.0)
    logs = log_softmax(0.3 * np.log(probabilities), axis=1)
    assert np.array_equal(calibrated(logs, labels).argmax(axis=1), logs.argmax(axis=1))


def test_anchors_are_the_surest_share_of_every_predicted_class():
    rng = np.random.default_rng(2)
    probabilities, _ = world(rng, 2.0)
    chosen, top = anchors(probabilities, 0.25), probabilities.argmax(axis=1)
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
    rates = anchor_noise(seen, noisy)
    assert rates.sum(axis=1) == pytest.approx(np.full(K, 0.05), abs=0.02)
    assert np.all(np.diag(rates) == 0)


@pytest.mark.parametrize("sharpness", [0.3, 1.0])
def test_honest_ambiguity_is_not_read_as_wrong_labels(sharpness):
    """Labels drawn from the very probabilities, which are rarely sure: at most one row in a thousand is flagged."""
    rng = np.random.default_rng(4)
    probabilities, labels = world(rng, sharpness)
    rates = anchor_noise(probabilities, labels)
    p = honest_null(wrong_label_odds(probabilities, rates), labels, probabilities)
    assert benjamini_hochberg(p, 0.05).mean() <= 0.001


def test_p_values_of_honest_labels_are_not_too_small():
    """At most about a share q of them lies below q."""
    rng = np.random.default_rng(5)
    probabilities, labels = world(rng, 4.0)
    rates = np.full((K, K), 0.002) * (1 - np.eye(K))
    p = honest_null(wrong_label_odds(probabilities, rates), labels, probabilities)
    for q in (0.01, 0.05, 0.2):
        assert (p <= q).mean() <= 1.5 * q


def test_p_values_agree_with_labels_drawn_at_random():
    """Oracle: draw honest labels many times and count how often they look as wrong."""
    rng = np.random.default_rng(6)
    probabilities, labels = (each[:400] for each in world(rng, 2.0))
    rates = np.full((K, K), 0.01) * (1 - np.eye(K))
    odds = wrong_label_odds(probabilities, rates)
    p = honest_null(odds, labels, probabilities)
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
    rates = anchor_noise(seen, noisy)
    p = honest_null(wrong_label_odds(seen, rates), noisy, seen)
    assert np.median(p[changed]) < 0.001 < np.quantile(p[~changed], 0.05)
