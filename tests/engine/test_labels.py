"""Wrong labels: which are flagged, how rows rank, and whether the errors have a system."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bezoar.engine.labels import judge_labels
from synthetic import dataset, no_labels, noisy_opinions, share, table, with_held_out

N, K = 4_000, 10


def opinions(n=N, k=K, seed=0):
    """True labels and what a good model thinks of rows that it never saw."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    return true, noisy_opinions(true, k, rng), rng


def judged(labels, held_out, k=K, inputs=None, ignore=None, scores=None, trusted=None):
    n = len(labels)
    data = dataset(np.zeros((n, 1, 2, 2), np.uint8) if inputs is None else inputs, labels, k)
    ignored = np.zeros(n, dtype=bool) if ignore is None else ignore
    return judge_labels(with_held_out(data, held_out), scores or {}, ignored, trusted)


def flipped(true, rng, rate=0.05, k=K):
    rows = rng.random(len(true)) < rate
    return np.where(rows, (true + rng.integers(1, k, len(true))) % k, true), rows


@pytest.mark.parametrize("seed", range(3))
def test_uniform_flips_are_flagged_with_their_true_label_suggested(seed):
    true, held_out, rng = opinions(seed=seed)
    labels, wrong = flipped(true, rng)
    found = judged(labels, held_out)
    assert found.flagged[wrong].mean() > 0.65
    assert (found.flagged & ~wrong).sum() <= 0.1 * found.flagged.sum()
    right = found.suggested[found.flagged & wrong] == true[found.flagged & wrong]
    assert right.mean() > 0.97
    assert roc_auc_score(wrong, found.score) > 0.99
    assert found.share.low - 0.01 <= 0.05 <= found.share.high + 0.01


@pytest.mark.parametrize("seed", range(3))
def test_labels_drawn_from_what_the_model_believes_are_hardly_flagged(seed):
    """Then every label is as honest as the model can tell: of 4,000 rows at most one in a hundred is flagged."""
    _, held_out, rng = opinions(seed=seed)
    labels = (np.cumsum(np.exp(held_out), axis=1) < rng.random(N)[:, None]).sum(axis=1).clip(max=K - 1)
    assert judged(labels, held_out).flagged.mean() < 0.01


def test_rows_that_are_not_flagged_keep_their_label():
    true, held_out, rng = opinions()
    labels, _ = flipped(true, rng)
    found = judged(labels, held_out)
    np.testing.assert_array_equal(found.suggested[~found.flagged], labels[~found.flagged])
    assert (found.suggested[found.flagged] != labels[found.flagged]).all()


def test_rows_that_are_explained_already_are_neither_flagged_nor_counted():
    true, held_out, rng = opinions()
    labels, wrong = flipped(true, rng)
    found = judged(labels, held_out, ignore=wrong)
    assert not found.flagged[wrong].any()
    assert (found.p_value[wrong] == 1).all()
    assert found.share.value < 0.01


def test_models_that_learned_nothing_accuse_nobody():
    """Sure and worthless: what is predicted has nothing to do with the labels."""
    _, held_out, rng = opinions()
    found = judged(rng.integers(0, K, N), held_out)
    assert not found.judged
    assert not found.flagged.any()
    assert (found.share.low, found.share.high) == (0.0, 1.0)


def test_models_that_repeat_the_largest_class_learned_nothing():
    """999 of 1,000 right, and not one row better than its class's frequency."""
    labels = np.zeros(2_000, dtype=np.int64)
    labels[:2] = 1
    held_out = np.log(np.tile([0.999, 0.001], (2_000, 1)))
    assert not judged(labels, held_out, k=2).judged


def test_flips_of_one_class_to_another_are_named_as_a_pair():
    true, held_out, rng = opinions()
    labels = true.copy()
    rows = rng.choice(np.flatnonzero(true == 7), 30, replace=False)
    labels[rows] = 1
    found = judged(labels, held_out)
    assert [(pair.given, pair.true) for pair in found.pairs] == [(1, 7)]
    assert len(np.intersect1d(found.pairs[0].rows, rows)) >= 27


def test_confusion_both_ways_is_no_pair():
    true, held_out, rng = opinions()
    labels = true.copy()
    for own, other in ((7, 1), (1, 7)):
        labels[rng.choice(np.flatnonzero(true == own), 25, replace=False)] = other
    assert judged(labels, held_out).pairs == ()


def test_uniform_flips_are_no_pair_and_no_group():
    true, held_out, rng = opinions()
    labels, _ = flipped(true, rng)
    found = judged(labels, held_out, inputs=table(N, rng))
    assert found.pairs == ()
    assert found.systems == ()


def test_flips_under_a_condition_name_the_condition():
    """Two in ten of the rows with an age over 83, a twelfth of all, are flipped in a set of two classes."""
    true, held_out, rng = opinions(k=2)
    cells = table(N, rng)
    old = cells["age"].to_numpy() > 83
    rows = old & (rng.random(N) < 0.2)
    found = judged(np.where(rows, 1 - true, true), held_out, k=2, inputs=cells)
    (group,) = found.systems
    ((column, way, threshold),) = group.conditions
    assert (cells.column_names[column], way) == ("age", ">")
    assert 82 <= threshold <= 85
    assert roc_auc_score(rows, found.score) > 0.98


def test_several_views_rank_by_the_mean_of_their_ranks():
    """Any increasing change of a view's scale leaves the ranking as it is."""
    true, held_out, rng = opinions()
    labels, _ = flipped(true, rng)
    views = {"loss_dynamics": rng.normal(size=N), "confident_learning": rng.normal(size=N), "mahalanobis": np.zeros(N)}
    bent = views | {"loss_dynamics": np.exp(views["loss_dynamics"]), "mahalanobis": rng.normal(size=N)}
    np.testing.assert_allclose(
        judged(labels, held_out, scores=views).score, judged(labels, held_out, scores=bent).score
    )


def test_a_trusted_set_is_the_null():
    """A model unsure of everything: with rows known to be honest, only labels less likely than theirs are flagged."""
    true, held_out, rng = opinions()
    labels, wrong = flipped(true, rng)
    clean, beliefs, _ = opinions(seed=9)

    class Remembered:
        def predict(self, inputs):
            return beliefs

    honest = dataset(np.zeros((N, 1, 2, 2), np.uint8), clean, K)
    data = dataset(np.zeros((N, 1, 2, 2), np.uint8), labels, K)
    found = judge_labels(with_held_out(data, held_out, Remembered()), {}, np.zeros(N, dtype=bool), honest)
    assert found.flagged[wrong].mean() > 0.9
    assert (found.flagged & ~wrong).sum() <= 0.1 * found.flagged.sum()


@pytest.mark.parametrize(
    ("agreement", "control", "confirmed"),
    [
        (share(90, 100), share(1, 1_000), True),
        (share(55, 100), share(1, 1_000), False),  # most, but not beyond doubt
        (share(90, 100), share(950, 1_000), False),
        (None, None, False),
    ],
)
def test_wrong_labels_are_confirmed_by_models_that_agree_on_them_and_not_on_others(agreement, control, confirmed):
    data = dataset(np.zeros((4, 1, 2, 2), np.uint8), np.arange(4), 4)
    assert no_labels(data, agreement=agreement, agreement_control=control).confirmed is confirmed


def test_agreement_is_counted_over_flagged_and_other_rows():
    true, held_out, rng = opinions()
    labels, _ = flipped(true, rng)
    agree = np.where(rng.random(N) < 0.5, 1.0, -1.0)
    found = judged(labels, held_out, scores={"ensemble_disagreement": agree})
    assert found.agreement.n == found.flagged.sum()
    assert found.agreement.value == pytest.approx((agree[found.flagged] > 0).mean())
    assert found.agreement_control.value == pytest.approx((agree[~found.flagged] > 0).mean())
