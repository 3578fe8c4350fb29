"""The confident joint and the odds of an error."""

import os
from pathlib import Path

import numpy as np
import pytest

from bezoar.maths import blocks, noise
from bezoar.maths.stats import average_precision


def predictions(truth, k, rng, confidence=3.0, spread=1.0):
    logits = confidence * np.eye(k)[truth] + rng.normal(0, spread, (len(truth), k))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def slow_joint(held_out, labels):
    """Northcutt et al. 2021, equation 1, row by row."""
    p, k = np.exp(held_out), held_out.shape[1]
    thresholds = [p[labels == j, j].mean() if (labels == j).any() else np.inf for j in range(k)]
    joint = np.zeros((k, k), dtype=int)
    for row, label in zip(p, labels, strict=True):
        confident = [j for j in range(k) if row[j] >= thresholds[j]]
        if confident:
            joint[label, max(confident, key=lambda j: row[j])] += 1
    return joint


@pytest.mark.parametrize("seed", range(3))
def test_confident_joint_follows_its_definition(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 300)
    labels = np.where(rng.random(300) < 0.2, rng.integers(0, 4, 300), truth)
    held_out = predictions(truth, 5, rng)  # the fifth class has no rows
    assert (noise.confident_joint(held_out, labels) == slow_joint(held_out, labels)).all()


def test_noise_joint_recovers_the_noise_that_was_planted():
    """A fifth of class 1 labelled 0; predictions without error, for which it is exact (theorem 1 of the paper)."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 20_000)
    labels = np.where((truth == 1) & (rng.random(20_000) < 0.2), 0, truth)
    joint = noise.noise_joint(predictions(truth, 3, rng, confidence=4.0, spread=0.0), labels)
    planted = np.histogram2d(labels, truth, bins=np.arange(4))[0] / 20_000
    np.testing.assert_allclose(joint, planted, atol=1e-12)


def test_flip_rate_has_an_interval_around_the_planted_rate_or_is_unknown():
    joint = np.array([[90, 10, 0], [0, 100, 0], [0, 0, 0]])
    interval = noise.flip_rate(joint, 0, 1)
    assert (interval.value, interval.n) == (0.1, 100)
    assert interval.low < 0.1 < interval.high
    assert noise.flip_rate(joint, 2, 1) is None


def test_flips_in_one_direction_are_told_from_honest_confusion():
    """30 rows against 1 is no chance; 60 against 55, and 3 against 0, may well be."""
    joint = np.diag([500] * 4)
    joint[1, 2], joint[2, 1] = 30, 1
    joint[0, 3], joint[3, 0] = 60, 55
    joint[2, 3] = 3
    odds = noise.one_way_flips(joint)
    assert odds[1, 2] == pytest.approx(np.log(31 / 2))
    odds[1, 2] = 0
    assert (odds == 0).all()


def test_honest_confusion_is_taken_for_flips_no_more_often_than_alpha():
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(400):
        rates = rng.gamma(1, 8, (6, 6))
        alarms.append(noise.one_way_flips(rng.poisson((rates + rates.T) / 2)).any())
    assert np.mean(alarms) <= 0.06


def test_without_flips_rows_are_ranked_by_their_own_probability():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 500)
    held_out = predictions(labels, 5, rng)
    own = held_out[np.arange(500), labels]
    assert (np.argsort(noise.error_log_odds(held_out, labels)) == np.argsort(-own)).all()


def test_flips_of_one_class_rank_above_plain_confidence():
    """5 % of class 2 labelled 1 among honest outliers: one-way evidence lifts the average precision."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 6000)
    flipped = (truth == 2) & (rng.random(6000) < 0.05)
    looks = np.where(rng.random(6000) < 0.03, rng.integers(0, 6, 6000), truth)
    held_out = predictions(looks, 6, rng, confidence=5.0)
    labels = np.where(flipped, 1, truth)
    plain = average_precision(-held_out[np.arange(6000), labels], flipped)
    assert average_precision(noise.error_log_odds(held_out, labels), flipped) >= plain + 0.3


@pytest.mark.parametrize("block", [1, 1_000, 10**6])
@pytest.mark.parametrize("flips", [0.0, 0.2])
def test_odds_are_those_of_the_definition_summed_in_logarithms(flips, block, monkeypatch):
    """All other classes together against the label, those weighed up to which labels of a class were turned."""
    monkeypatch.setattr(blocks, "_BLOCK", block)
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 5, 900)
    labels = np.where((truth == 2) & (rng.random(900) < flips), 1, truth)
    held_out = predictions(truth, 5, rng, confidence=8.0)
    turned = noise.one_way_flips(slow_joint(held_out, labels))
    assert turned.any() == (flips > 0)
    others = held_out + 1.5 * turned[labels]
    others[np.arange(900), labels] = -np.inf
    own = held_out[np.arange(900), labels]
    own = np.logaddexp(own, np.log(0.01)) if turned.any() else own
    np.testing.assert_allclose(noise.error_log_odds(held_out, labels), np.logaddexp.reduce(others, axis=1) - own)


def test_a_class_may_be_believed_in_that_has_no_probability():
    """Class 1 is never predicted for its own row, so any probability of it is enough, even none."""
    with np.errstate(divide="ignore"):
        held_out = np.log([[0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.6, 0.0, 0.4], [0.4, 0.0, 0.6]])
    assert noise.confident_labels(held_out, np.array([0, 1, 0, 2])).tolist() == [1, 1, 0, 2]


def test_odds_stay_finite_for_certain_predictions_and_for_a_single_class():
    with np.errstate(divide="ignore"):
        certain = np.log(np.eye(3))
    assert np.isfinite(noise.error_log_odds(certain, np.array([0, 1, 0]))).all()
    assert (noise.error_log_odds(np.zeros((4, 1)), np.zeros(4, dtype=int)) == 0).all()


@pytest.mark.skipif("BEZOAR_DATA" not in os.environ, reason="BEZOAR_DATA is not set: no real predictions at hand")
@pytest.mark.parametrize("one_way", [False, True], ids=["uniform", "one way"])
@pytest.mark.parametrize("seed", range(3))
def test_on_real_predictions_errors_rank_at_least_as_well_as_by_confidence_and_by_margin(seed, one_way):
    """CIFAR-10 test predictions; the two rankings are those of a peer (self-confidence, normalized margin)."""
    stored = np.load(
        Path(os.environ["BEZOAR_DATA"]) / "labels" / "label_errors_cifar10_test_predictions.npz", allow_pickle=False
    )
    probabilities = np.maximum(stored["pred_probs"].astype(np.float64), 1e-12)
    labels = stored["given"].astype(np.int64)
    n, rng = len(labels), np.random.default_rng(seed)
    wrong = (labels == 7) & (rng.random(n) < 0.05) if one_way else rng.random(n) < 0.05
    labels = np.where(wrong, 1 if one_way else (labels + rng.integers(1, 10, n)) % 10, labels)
    own = probabilities[np.arange(n), labels]
    others = probabilities.copy()
    others[np.arange(n), labels] = 0
    ours = average_precision(noise.error_log_odds(np.log(probabilities), labels), wrong)
    assert ours >= average_precision(-own, wrong) - 1e-3
    assert ours >= average_precision(others.max(axis=1) - own, wrong) - 1e-3
