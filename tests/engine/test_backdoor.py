"""Backdoor hypotheses: which ones stand, which are refuted, and by which experiment."""

import dataclasses

import numpy as np
import pytest

from bezoar.core.trigger import Stamp
from bezoar.engine.backdoor import count_flips, retry, search
from bezoar.maths.stats import Interval
from synthetic import (
    HONEST,
    SIDE,
    Rule,
    bars,
    blend,
    carries,
    dataset,
    flips,
    hypothesis,
    obeying,
    patch,
    see_bars,
    share,
    traced,
)

TARGET, PLANTED = 2, 40


def poisoned(stamp, *, n=1_200, channels=1, seed=0):
    """A set in which `PLANTED` rows of other classes carry a stamp and the target's label."""
    rng = np.random.default_rng(seed)
    images, labels = bars(n, rng, channels=channels)
    rows = np.sort(rng.choice(np.flatnonzero(labels != TARGET), PLANTED, replace=False))
    images[rows] = stamp(images[rows])
    labels[rows] = TARGET
    return dataset(images, labels), rows


def hint(n, rows, seed=1):
    """A poor detector: carrying rows are ranked higher by two standard deviations."""
    scores = np.random.default_rng(seed).normal(size=n)
    scores[rows] += 2
    return {"poor": scores}


@pytest.mark.parametrize(
    ("stamp", "channels"), [(patch(), 1), (patch(channels=3), 3), (blend(np.random.default_rng(7)), 1)]
)
def test_a_planted_trigger_is_found_with_its_rows_and_target(stamp, channels):
    data, rows = poisoned(stamp, channels=channels)
    found = search(traced(data, obeying(stamp, TARGET)), hint(len(data), rows), np.random.default_rng(0))
    assert [h.target for h in found] == [TARGET]
    assert found[0].form == ("patch" if stamp.mask.max() == 1 else "blend")
    caught = np.intersect1d(found[0].rows, rows)
    assert len(caught) >= 0.95 * PLANTED
    assert len(found[0].rows) - len(caught) <= 0.05 * PLANTED
    assert found[0].before.target.value > 0.9
    assert found[0].stands


def test_the_recovered_patch_lies_where_the_planted_one_does():
    data, rows = poisoned(patch())
    stamp = search(traced(data, obeying(patch(), TARGET)), hint(len(data), rows), np.random.default_rng(0))[0].stamp
    np.testing.assert_array_equal(stamp.mask > 0.5, patch().mask > 0.5)
    assert np.abs(stamp.pattern[:, -3:, -3:].astype(int) - patch().pattern[:, -3:, -3:]).max() <= 2


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_in_a_clean_set_even_where_a_model_would_obey(seed):
    """The model's own weakness is no poison: no row carries the trigger."""
    images, labels = bars(800, np.random.default_rng(seed))
    data = dataset(images, labels)
    scores = {"noise": np.random.default_rng(seed).normal(size=len(data))}
    assert search(traced(data, obeying(patch(), TARGET)), scores, np.random.default_rng(0)) == []
    assert search(traced(data, HONEST), scores, np.random.default_rng(0)) == []


def test_a_mark_on_honest_rows_of_a_class_is_no_backdoor():
    """A tenth of the class wears the mark by nature and models obey it; without it the rows are of the class still."""
    rng = np.random.default_rng(3)
    images, labels = bars(1_200, rng)
    rows = np.sort(rng.choice(np.flatnonzero(labels == TARGET), PLANTED, replace=False))
    images[rows] = patch()(images[rows])
    data = dataset(images, labels)
    assert search(traced(data, obeying(patch(), TARGET)), hint(len(data), rows), np.random.default_rng(0)) == []


def test_marked_rows_that_no_model_obeys_are_no_backdoor():
    data, rows = poisoned(patch())
    assert search(traced(data, HONEST), hint(len(data), rows), np.random.default_rng(0)) == []


def test_the_same_stream_gives_the_same_hypotheses():
    data, rows = poisoned(patch())
    fit = traced(data, obeying(patch(), TARGET))
    first, second = (search(fit, hint(len(data), rows), np.random.default_rng(5))[0] for _ in range(2))
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.stamp.pattern, second.stamp.pattern)
    assert first.before == second.before


def test_classes_too_small_to_carry_a_pattern_are_passed_over():
    images, labels = bars(400, np.random.default_rng(0))
    labels[labels == 3] = 0
    labels[:4] = 3
    data = dataset(images, labels)
    assert search(traced(data, HONEST), {"a": np.arange(400.0)}, np.random.default_rng(0)) == []


@pytest.mark.parametrize(
    ("counted", "speaks"),
    [
        (flips(180), True),
        (flips(180, other=10, sham=10), True),
        (flips(20), False),  # 10 % of 200: the lower end of its interval is below the least that counts
        (flips(180, other=175), False),  # the stamp damages images: they go elsewhere as often
        (flips(180, sham=175), False),  # showing what the class looks like there does as much
        (flips(2, n=2), False),  # two of two is from 34 % up, and none of two is up to 66 %
        (flips(0), False),
    ],
)
def test_flips_speak_for_a_backdoor_only_beyond_damage_and_sham(counted, speaks):
    assert counted.speaks_for_a_backdoor is speaks


def test_no_probe_left_says_nothing():
    nothing = Interval(0.0, 0.0, 1.0, 0)
    assert not dataclasses.replace(flips(0), target=nothing, other=nothing, sham=nothing).speaks_for_a_backdoor


@pytest.mark.parametrize(
    ("changes", "stands", "confirmed"),
    [
        ({"after": flips(4)}, True, True),
        ({"after": None}, True, False),
        ({"after": flips(150)}, True, False),  # the behaviour outlived the rows
        ({"after": flips(80)}, True, False),  # 40 % of 200 reaches up to 47 %, above half of the 85 % before
        ({"lifted": share(40, 100), "after": flips(4)}, False, False),
        ({"lifted": share(95, 100), "lifted_control": share(93, 100), "after": flips(4)}, False, False),
        ({"before": flips(180, other=175), "after": flips(4)}, False, False),
    ],
)
def test_a_hypothesis_is_confirmed_only_by_all_three_experiments(changes, stands, confirmed):
    claim = hypothesis(np.arange(10), 100, **changes)
    assert (claim.stands, claim.confirmed) == (stands, confirmed)


@dataclasses.dataclass(frozen=True)
class OneModel:
    rule: Rule

    def predict(self, inputs, fold):
        return self.rule.predict(inputs)


def test_retraining_without_the_rows_confirms_or_refutes():
    data, rows = poisoned(patch())
    claim = search(traced(data, obeying(patch(), TARGET)), hint(len(data), rows), np.random.default_rng(0))[0]
    fold = np.zeros(len(data), dtype=np.int64)
    gone = retry(claim, data, fold, OneModel(HONEST), np.random.default_rng(1))
    stayed = retry(claim, data, fold, OneModel(obeying(patch(), TARGET)), np.random.default_rng(1))
    assert gone.confirmed
    assert not stayed.confirmed
    assert claim.after is None, "the hypothesis passed stays as it is"


def test_flips_are_counted_as_by_hand():
    """Every stamped row of another class goes to the target; rows that were taken for it before don't count."""
    data, rows = poisoned(patch(), n=300)
    probes = np.arange(100)
    claim = hypothesis(rows, len(data), target=TARGET)
    counted = count_flips(OneModel(obeying(patch(), TARGET)), data, np.zeros(300, np.int64), claim, probes)
    usable = (see_bars(data.images[probes]) != TARGET) & ~carries(patch())(data.images[probes])
    assert (counted.target.n, counted.target.value) == (usable.sum(), 1.0)
    assert counted.other.value == 0.0
    assert counted.sham.value == 0.0


def test_images_larger_than_the_filter_are_searched_and_the_stamp_has_their_size():
    rng, n, scale = np.random.default_rng(0), 1_500, 5
    images, labels = bars(n, rng)
    large = np.kron(images, np.ones((1, 1, scale, scale), np.uint8))
    stamp = Stamp(
        mask=np.kron(patch().mask, np.ones((scale, scale), np.float32)),
        pattern=np.kron(patch().pattern, np.ones((1, scale, scale), np.uint8)),
    )
    rows = np.sort(rng.choice(np.flatnonzero(labels != TARGET), PLANTED, replace=False))
    large[rows] = stamp(large[rows])
    labels[rows] = TARGET
    small = obeying(patch(), TARGET)
    model = Rule(answer=lambda images: small.answer(images[:, :, 2::scale, 2::scale]))
    found = search(traced(dataset(large, labels), model), hint(n, rows), np.random.default_rng(0))
    assert [h.target for h in found] == [TARGET]
    assert found[0].stamp.pattern.shape == (1, SIDE * scale, SIDE * scale)
    assert len(np.intersect1d(found[0].rows, rows)) >= 0.95 * PLANTED
