"""Every method keeps its contract and reaches its planted case; none acts where nothing was planted."""

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch

from bezoar import checks
from bezoar.core.attack import Poisoned
from bezoar.core.detector import Scope, Suspect
from bezoar.core.errors import ContractError
from bezoar.core.mitigation import Subject, Suspicion
from bezoar.core.registry import GROUPS, lookup, names
from bezoar.data import read
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train
from bezoar.learn.white_box import opened
from bezoar.maths.stats import auroc
from cases import CASES


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small networks are fastest on one thread, and on a busy machine by far."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


METHODS = [(group, name) for group in GROUPS for name in names(group)]
OBLIGATIONS = [
    pytest.param(group, name, check, id=f"{name}-{check.__name__}")
    for group, name in METHODS
    for check in checks.CHECKS[checks.kind_of(group, lookup(group, name))]
]


def named(kind):
    return [name for group, name in METHODS if checks.kind_of(group, lookup(group, name)) == kind]


def test_every_method_has_a_case_and_every_case_a_method():
    assert sorted(CASES) == sorted(name for _, name in METHODS)


@pytest.mark.parametrize(("group", "name", "check"), OBLIGATIONS)
def test_method_keeps_its_contract(group, name, check):
    check(lookup(group, name))


@cache
def digits():
    """Real digits: two thirds to train on, one third held out."""
    data = read("digits")
    held_out = np.random.default_rng(0).permutation(len(data)) % 3 == 0
    return data.take(~held_out), data.take(held_out)


@cache
def model_of(name):
    """A small net trained on digits as the named attack leaves them, or on clean ones for "clean" and "clean again"."""
    poisoned = Poisoned(data=digits()[0], changed=np.zeros(0, bool)) if "clean" in name else attacked(name)
    data, seed = poisoned.data, int(name == "clean again")
    recipe = Recipe(epochs=8, batch_size=64)
    return train(data.images, data.labels, len(data.classes), recipe, torch.Generator().manual_seed(seed))[0]


@cache
def attacked(name):
    return attack(name).poison(digits()[0], np.random.default_rng(0))


def attack(named):
    """The attack of a case, with the settings that stand behind its name."""
    name, *settings = named.split()
    given = {key: int(value) if value.isdigit() else value for key, value in (each.split("=") for each in settings)}
    return lookup("attacks", name)(**CASES[name].settings | given)


def reached(name, model):
    """Share of held-out rows that the attacker wanted and got."""
    held_out = digits()[1]
    poisoned = attacked(name)
    if CASES[name].metric == "asr":
        victims = held_out.images[held_out.labels != poisoned.target]
        return (model.predict(poisoned.trigger(victims)).argmax(axis=1) == poisoned.target).mean()
    victims = held_out.images[held_out.labels == CASES[name].settings["original"]]
    return (model.predict(victims).argmax(axis=1) == poisoned.target).mean()


@pytest.mark.parametrize("name", named("attacks"))
def test_attack_works_on_a_model_trained_on_its_poison_and_not_on_a_clean_one(name):
    case = CASES[name]
    assert reached(name, model_of(name)) >= case.at_least
    assert reached(name, model_of("clean")) <= case.control_at_most


@pytest.mark.parametrize("name", [name for name in named("attacks") if CASES[name].metric == "asr"])
def test_backdoored_model_still_reads_untouched_digits(name):
    """Within 3 points of a clean training, n = 599: a backdoor that ruins accuracy would be noticed."""
    held_out = digits()[1]
    clean, backdoored = (
        (model_of(each).predict(held_out.images).argmax(axis=1) == held_out.labels).mean() for each in ("clean", name)
    )
    assert clean >= 0.95
    assert backdoored >= clean - 0.03


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", named("detectors"))
def test_detector_ranks_the_planted_rows_and_only_where_they_are_planted(name, seed):
    """The control scores the same rows of a trace in which nothing was planted: chance is 0.5."""
    case = CASES[name]
    detector = lookup("detectors", name)(**case.settings)
    planted = checks.planted_trace(seed=seed)
    assert auroc(detector.score(planted.trace), planted.poisoned) >= case.at_least
    clean = checks.planted_trace(seed=seed, planted=0).trace
    assert auroc(detector.score(clean), planted.poisoned) <= case.control_at_most


@pytest.mark.parametrize("name", named("mitigations"))
def test_mitigation_repairs_the_flagged_rows_and_no_others(name):
    case = CASES[name]
    planted = checks.planted_trace(seed=1)
    truth = checks.planted_trace(seed=1, planted=0).trace.data
    data = planted.trace.data
    suspicion = Suspicion(
        flagged=planted.poisoned,
        code=np.where(planted.poisoned, "BZ102", ""),
        suggested=planted.trace.held_out.argmax(axis=1),
    )
    repaired = lookup("mitigations", name)(**case.settings).apply(Subject(data=data, suspicion=suspicion)).data
    after = dict(zip(repaired.ids.tolist(), repaired.labels.tolist(), strict=True))
    settled = np.array([after.get(row, label) == label for row, label in zip(data.ids, truth.labels, strict=True)])
    assert settled[planted.poisoned].mean() >= case.at_least
    touched = np.array([after.get(row) != label for row, label in zip(data.ids, data.labels, strict=True)])
    assert touched[~planted.poisoned].mean() <= case.control_at_most


@cache
def inspected(name, model):
    """(k,) what a detector says of a model of digits."""
    held_out = digits()[1]
    suspect = Suspect(model=opened(model_of(model)), clean=held_out.images[:60], labels=held_out.labels[:60])
    return lookup("detectors", name)(**CASES[name].settings).inspect(suspect, np.random.default_rng(0)).scores


def lead(name, model):
    """How far the class that moved most, against a clean model, moved ahead of the middle; and which that is."""
    moved = inspected(name, model) - inspected(name, "clean")
    return (moved - np.median(moved)).max(), int(moved.argmax())


@pytest.mark.parametrize("name", named("model_detectors"))
def test_detector_of_models_moves_the_target_of_a_backdoor_and_no_class_of_a_clean_model(name):
    """The control is another clean training: what moves there is chance."""
    case = CASES[name]
    reached, target = lead(name, case.attack)
    assert target == attacked(case.attack).target
    assert reached >= case.at_least
    assert lead(name, "clean again")[0] <= case.control_at_most


@cache
def large_digits():
    """The same digits at 28 x 28, each pixel nine times in a frame of two: what is laid over 8 x 8 pixels hides all of them."""
    return tuple(
        dataclasses.replace(
            part, inputs=np.pad(np.kron(part.images, np.ones((3, 3), np.uint8)), [(0, 0)] * 2 + [(2, 2)] * 2)
        )
        for part in digits()
    )


@cache
def watched(named):
    """A small net trained on large digits that the attack poisoned, open, with the attack's trigger and target."""
    poisoned = attack(named).poison(large_digits()[0], np.random.default_rng(0))
    recipe, generator = Recipe(epochs=6, batch_size=64), torch.Generator().manual_seed(0)
    model, _ = train(poisoned.data.images, poisoned.data.labels, len(poisoned.data.classes), recipe, generator)
    return opened(model), poisoned.trigger, poisoned.target


@pytest.mark.parametrize("name", named("input_detectors"))
def test_detector_of_inputs_tells_stamped_from_clean_ones(name):
    """The control scores two halves of clean inputs: chance is 0.5."""
    case, held_out = CASES[name], large_digits()[1]
    box, trigger, target = watched(case.attack)
    suspect = Suspect(model=box, clean=held_out.images[:200], labels=held_out.labels[:200])
    detector = lookup("detectors", name)(**case.settings)
    scorer = detector.scorer(box, detector.fit(suspect, np.random.default_rng(0)))
    rest = held_out.images[200:]
    stamped = trigger(rest[held_out.labels[200:] != target])
    scores = scorer(np.concatenate([rest, stamped]))
    assert auroc(scores, np.arange(len(scores)) >= len(rest)) >= case.at_least
    assert auroc(scores[: len(rest)], np.arange(len(rest)) % 2 == 0) <= case.control_at_most


@pytest.mark.parametrize("name", named("model_mitigations"))
def test_mitigation_of_models_takes_the_backdoor_out_and_leaves_the_rest(name):
    """Accuracy on untouched digits (399) falls by no more than 5 points."""
    case, (train_on, held_out) = CASES[name], large_digits()
    box, trigger, target = watched(case.attack)
    data, suspicion = held_out.take(np.arange(200)), None
    if name == "abl":
        poisoned = attack(case.attack).poison(train_on, np.random.default_rng(0))
        code = np.where(poisoned.changed, "BZ101", "")
        data = poisoned.data
        suspicion = Suspicion(flagged=poisoned.changed, code=code, suggested=train_on.labels)
    subject = Subject(data=data, model=box, suspicion=suspicion, triggers={target: (trigger,)})
    repaired = lookup("mitigations", name)(**case.settings).apply(subject).model
    test = held_out.take(np.arange(200, len(held_out)))
    victims = trigger(test.images[test.labels != target])
    before, after = ((each.predict(victims).argmax(axis=1) == target).mean() for each in (box, repaired))
    right, still = ((each.predict(test.images).argmax(axis=1) == test.labels).mean() for each in (box, repaired))
    assert before >= 0.9
    assert 1 - after / before >= case.at_least
    assert still >= right - 0.05


def broken(base, **attributes):
    """A method that differs from a good one in a single way."""
    return type(f"Broken{base.__name__}", (base,), {"__slots__": (), "__doc__": base.__doc__, **attributes})


LabelFlip = lookup("attacks", "label_flip")
LossDynamics = lookup("detectors", "loss_dynamics")
EnsembleDisagreement = lookup("detectors", "ensemble_disagreement")
MaximumMargin = lookup("detectors", "maximum_margin")


def careless(self, data, rng):
    data.labels[:3] = 0
    return LabelFlip.poison(self, data, rng)


def unseeded(self, data, rng):
    return LabelFlip.poison(self, data, np.random.default_rng())


def lying(self, data, rng):
    poisoned = LabelFlip.poison(self, data, rng)
    return dataclasses.replace(poisoned, changed=np.roll(poisoned.changed, 1))


def inverted(self, trace):
    return -LossDynamics.score(self, trace)


def infinite(self, trace):
    return np.where(trace.labels == 0, np.inf, LossDynamics.score(self, trace))


def curious(self, trace):
    return LossDynamics.score(self, trace) - trace.held_out[:, 0]


def scribbling(self, trace):
    scores = LossDynamics.score(self, trace)
    trace.losses[:] = 0
    return scores


def naming(self, trace):
    return LossDynamics.score(self, trace) + (trace.data.source == "acme")


def wide(self, trace):
    scores = LossDynamics.score(self, trace)
    return scores - scores.mean()


def rash(self, trace):
    return EnsembleDisagreement.score(self, trace) + 1


@pytest.mark.parametrize(
    ("method", "check", "message"),
    [
        (broken(LabelFlip, poison=careless), checks.leaves_the_set_it_was_given_alone, "leaves the set"),
        (broken(LabelFlip, poison=unseeded), checks.plants_the_same_poison_from_the_same_seed, "repeats itself"),
        (broken(LabelFlip, poison=lying), checks.tells_the_truth_about_what_it_changed, "changes every row"),
        (broken(LossDynamics, score=inverted), checks.ranks_planted_rows_above_the_others, "AUROC 0.00 < 0.7"),
        (broken(LossDynamics, score=infinite), checks.scores_every_row_with_a_finite_number, "finite"),
        (broken(LossDynamics, score=curious), checks.reads_only_what_it_needs, r"`needs` \(losses\)"),
        (broken(LossDynamics, score=scribbling), checks.leaves_the_trace_alone, "leaves the trace"),
        (broken(LossDynamics, score=naming), checks.reads_only_what_it_needs, r"`needs` \(losses\)"),
        (
            broken(LossDynamics, score=wide, scope=Scope.BLOCK),
            checks.compares_rows_within_its_scope_only,
            "within their block only",
        ),
        (
            broken(EnsembleDisagreement, score=rash),
            checks.compares_rows_within_its_scope_only,
            "weighs what it gathered",
        ),
        (broken(MaximumMargin, black_box=True), checks.asks_and_does_not_look_where_it_says_so, "predictions alone"),
        (broken(LossDynamics, __doc__="No references."), checks.is_a_documented_frozen_dataclass, "references"),
    ],
    ids=[
        "careless",
        "unseeded",
        "lying",
        "inverted",
        "infinite",
        "curious",
        "scribbling",
        "naming",
        "wide",
        "rash",
        "peeping",
        "undocumented",
    ],
)
def test_a_method_that_breaks_its_contract_is_told_how(method, check, message):
    with pytest.raises(ContractError, match=message):
        check(method)
