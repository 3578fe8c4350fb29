"""What every method must keep: run these on your own attack, detector or mitigation.

::

    import pytest
    from bezoar import checks

    @pytest.mark.parametrize("check", checks.CHECKS["detectors"])
    def test_contract(check):
        check(MyDetector)

Each check takes the method's class, makes it with its defaults, and raises ``ContractError`` with one line that says what
was promised and what happened.
"""

import dataclasses
import functools
import hashlib
import pickle
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.core import digest
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset, Modality, take_inputs
from bezoar.core.detector import (
    Gathering,
    Inspection,
    Learned,
    ModelDetector,
    Need,
    Questioned,
    Scope,
    Suspect,
    Unit,
    only_asks,
    scope_of,
)
from bezoar.core.errors import ContractError, InputError
from bezoar.core.mitigation import Subject, Suspicion
from bezoar.core.registry import Group
from bezoar.core.threat import Threat
from bezoar.core.trace import Trace
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train
from bezoar.learn.white_box import WhiteBox, opened
from bezoar.maths.stats import auroc

Check = Callable[[type[Any]], None]

BUDGET = 7
"""Rows that attacks are asked to change."""
BRIEF = 20
"""Steps of repairs that train."""
PLANTED_AUROC = 0.7
"""The least that a detector's ranking of a plainly planted case must reach; 0.5 is chance, below it the sign is wrong."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planted:
    """A made-up trace and which of its rows are poisoned: (n,) bool."""

    trace: Trace
    poisoned: NDArray[np.bool_]


def example_data(modality: Modality = Modality.IMAGE, *, seed: int = 0) -> Dataset:
    """400 made-up rows of 4 classes from 2 sources: 8 x 8 grey images, or a table of numbers, words and gaps."""
    rng = np.random.default_rng(seed)
    n, k = 400, 4
    labels = rng.permutation(np.arange(n) % k)
    if modality is Modality.IMAGE:
        shades = rng.integers(40, 180, (k, 1, 8, 8))
        inputs: Any = np.clip(shades[labels] + rng.normal(0, 12, (n, 1, 8, 8)), 0, 255).astype(np.uint8)
    else:
        missing = rng.random(n) < 0.1
        inputs = pa.table(
            {
                "amount": pa.array(labels * 2 + rng.normal(0, 1, n), mask=missing),
                "town": pa.array(np.array(["Ulm", "Bern", "Graz"])[rng.integers(0, 3, n)]),
                "visits": pa.array(rng.integers(0, 50, n)),
            }
        )
    return Dataset(
        inputs=inputs,
        labels=labels.astype(np.int64),
        classes=tuple("abcd"),
        ids=np.array([f"row{i}" for i in range(n)]),
        source=np.where(rng.random(n) < 0.4, "acme", "globex"),
        name="example",
    )


def planted_trace(modality: Modality = Modality.IMAGE, *, seed: int = 0, planted: int = 20) -> Planted:
    """A made-up trace in which `planted` rows betray themselves in every way that a detector may look for.

    Rows of other classes carry the label "a": models that never saw them name the true class, their losses stay
    high, their features lie apart from their label's, and each repeats an honest row's input. Features of the two folds
    differ by a rotation, as those of different models do.
    """
    rng = np.random.default_rng(seed)
    data = example_data(modality, seed=seed)
    n, k, d, epochs = len(data), len(data.classes), 16, 8
    truth = data.labels
    poisoned = data.mask(rng.choice(data.rows_not_of(0), planted, replace=False))
    copied = np.arange(n)
    copied[poisoned] = [rng.choice(np.flatnonzero((truth == label) & ~poisoned)) for label in truth[poisoned]]
    data = dataclasses.replace(data, inputs=take_inputs(data.inputs, copied))
    data = data.with_labels(np.flatnonzero(poisoned), 0)

    fold = rng.permutation(np.arange(n) % 2)
    centres = rng.normal(0, 3, (k, d))
    features = centres[truth] + rng.normal(0, 1, (n, d)) + poisoned[:, None] * rng.normal(0, 3, d)
    rotations = np.stack([np.linalg.qr(rng.normal(0, 1, (d, d)))[0] for _ in range(2)])
    logits = 4.0 * np.eye(k)[truth] + rng.normal(0, 1, (n, k))
    decay = np.exp(-np.arange(epochs))[:, None]
    losses = np.where(poisoned, 3.0, 1.4 * decay) * rng.uniform(0.8, 1.2, (epochs, n)) + 1e-3
    trace = Trace(
        data=data,
        losses=losses.astype(np.float32),
        held_out=(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32),
        features=np.einsum("nd,nde->ne", features, rotations[fold]).astype(np.float32),
        fold=fold,
    )
    return Planted(trace=trace, poisoned=poisoned)


# Every method


def is_a_documented_frozen_dataclass(method: type[Any]) -> None:
    """The docstring has a first line and references; fields have defaults and cannot be changed."""
    first, *rest = (method.__doc__ or "").strip().splitlines() or [""]
    _promise(method, first.endswith(".") and not first.startswith(f"{method.__name__}("), "has a one-line summary")
    _promise(method, any(line.strip() == "References" for line in rest), "names its references")
    _promise(method, dataclasses.is_dataclass(method), "is a dataclass")
    parameters = method.__dataclass_params__
    _promise(method, parameters.frozen, "is frozen")
    fields = dataclasses.fields(method)
    has_defaults = all(
        field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING for field in fields
    )
    _promise(method, has_defaults, "has a default for every field")
    _promise(method, all(field.kw_only for field in fields), "takes its fields by keyword only")
    documented = all(field.name in (method.__doc__ or "") for field in fields)
    _promise(method, documented, "documents every field")


def survives_pickling(method: type[Any]) -> None:
    """Its configuration can be sent to another process."""
    made = method()
    _promise(method, pickle.loads(pickle.dumps(made)) == made, "equals itself after pickling")


# Attacks


def declares_a_threat(method: type[Any]) -> None:
    """It says what attacker it stands for."""
    _promise(method, isinstance(getattr(method, "threat", None), Threat), "has a `threat`")


def plants_the_same_poison_from_the_same_seed(method: type[Any]) -> None:
    """Equal seeds, equal sets; other seeds, other rows."""
    data = _data_for(method)
    first, again, other = (_poison(method, data, seed=seed) for seed in (1, 1, 2))
    _promise(method, _fingerprint(first.data) == _fingerprint(again.data), "repeats itself from the same seed")
    _promise(method, bool((first.changed == again.changed).all()), "marks the same rows from the same seed")
    _promise(method, bool((first.changed != other.changed).any()), "draws other rows from another seed")


def tells_the_truth_about_what_it_changed(method: type[Any]) -> None:
    """Marked rows differ from before, all others do not, and nothing else of the set moves. Cover rows keep their labels."""
    data = _data_for(method)
    poisoned = _poison(method, data)
    n = len(data)
    shape, kind = poisoned.changed.shape, poisoned.changed.dtype
    _promise(method, shape == (n,) and kind == np.bool_, f"marks changed rows as ({n},) bool, not {shape} {kind}")
    cover = np.zeros(n, dtype=bool) if poisoned.cover is None else poisoned.cover
    touched = poisoned.changed | cover
    same = np.array([a == b for a, b in zip(data.row_hashes, poisoned.data.row_hashes, strict=True)])
    _promise(method, not same[touched].any(), "changes every row that it marks")
    _promise(method, bool(same[~touched].all()), "leaves every other row alone")
    honest = bool((poisoned.data.labels[cover] == data.labels[cover]).all())
    _promise(method, honest and not (poisoned.changed & cover).any(), "leaves the labels of cover rows alone")
    kept = poisoned.data.classes == data.classes and (poisoned.data.ids == data.ids).all()
    _promise(method, bool(kept), "keeps classes and ids")


def keeps_to_its_budget(method: type[Any]) -> None:
    """`count` rows are changed, and none for a count of zero."""
    if not _has(method, "count"):
        return
    data = _data_for(method)
    changed = int(_poison(method, data, count=BUDGET).changed.sum())
    _promise(method, changed == BUDGET, f"changes {BUDGET} rows when asked to, not {changed}")
    nothing = _poison(method, data, count=0)
    idle = not nothing.changed.any() and _fingerprint(nothing.data) == _fingerprint(data)
    _promise(method, idle, "changes nothing for a count of 0")


def leaves_the_set_it_was_given_alone(method: type[Any]) -> None:
    """The set passed in is the same afterwards."""
    data = _data_for(method)
    before = _fingerprint(data)
    _poison(method, data)
    _promise(method, _fingerprint(data) == before, "leaves the set it was given alone")


def relabels_to_its_target_or_keeps_to_its_class(method: type[Any]) -> None:
    """Poisoned rows carry the target's label. Before, either none did or, where labels are left right, all did."""
    data = _data_for(method)
    poisoned = _poison(method, data)
    if poisoned.target is None:
        return
    before, after = data.labels[poisoned.changed], poisoned.data.labels[poisoned.changed]
    _promise(method, bool((after == poisoned.target).all()), "gives poisoned rows the target's label")
    own = before == poisoned.target
    _promise(method, bool(own.all() or not own.any()), "strikes rows of the target alone or spares them")


def strikes_only_the_named_supplier(method: type[Any]) -> None:
    """With a `supplier`, rows of other sources are left alone."""
    if not _has(method, "supplier"):
        return
    data = _data_for(method)
    made = dataclasses.replace(_with_budget(method), supplier="acme")
    poisoned = made.poison(data, np.random.default_rng(0))
    touched = poisoned.changed if poisoned.cover is None else poisoned.changed | poisoned.cover
    only = data.source is not None and set(data.source[touched]) == {"acme"}
    _promise(method, only, "changes rows of the named supplier only")


# Detectors


def declares_what_it_scores_and_reads(method: type[Any]) -> None:
    """`unit` is a Unit and `needs` a tuple of Needs."""
    _promise(method, isinstance(getattr(method, "unit", None), Unit), "has a `unit`")
    needs = getattr(method, "needs", ())
    stated = isinstance(needs, tuple) and bool(needs) and all(isinstance(need, Need) for need in needs)
    _promise(method, stated, "has `needs`, a tuple of what it reads")


def scores_every_row_with_a_finite_number(method: type[Any]) -> None:
    """(n,) float64 without NaN or infinity, on images and on a table."""
    for modality in (Modality.IMAGE, Modality.TABLE):
        trace = planted_trace(modality).trace
        scores = method().score(trace)
        n = len(trace.data)
        _promise(method, scores.shape == (n,), f"gives ({n},) scores for a {modality} set, not {scores.shape}")
        _promise(method, scores.dtype == np.float64, f"gives float64 scores, not {scores.dtype}")
        _promise(method, bool(np.isfinite(scores).all()), f"gives finite scores for a {modality} set")


def ranks_planted_rows_above_the_others(method: type[Any]) -> None:
    """Higher is more suspicious: on a case planted with every kind of clue the ranking is far better than chance."""
    case = planted_trace()
    reached = auroc(method().score(case.trace), case.poisoned)
    _promise(method, reached >= PLANTED_AUROC, f"ranks planted rows first (AUROC {reached:.2f} < {PLANTED_AUROC})")


def scores_the_same_trace_the_same(method: type[Any]) -> None:
    """Two calls, one answer."""
    trace = planted_trace().trace
    _promise(method, bool((method().score(trace) == method().score(trace)).all()), "repeats itself on the same trace")


def leaves_the_trace_alone(method: type[Any]) -> None:
    """The trace passed in is the same afterwards."""
    trace = planted_trace().trace
    before = _fingerprint(trace)
    method().score(trace)
    _promise(method, _fingerprint(trace) == before, "leaves the trace it was given alone")


def reads_only_what_it_needs(method: type[Any]) -> None:
    """What `needs` does not name may hold anything, but for labels, classes and folds: the scores stay."""
    trace = planted_trace().trace
    parts = {Need.LOSSES: "losses", Need.HELD_OUT: "held_out", Need.FEATURES: "features"}
    unread = [name for need, name in parts.items() if need not in method.needs]
    inputs = trace.data.images if Need.INPUTS in method.needs else np.zeros_like(trace.data.images)
    numbered = np.arange(len(trace.data)).astype(np.str_)
    blank = dataclasses.replace(
        trace,
        data=dataclasses.replace(trace.data, inputs=inputs, ids=numbered, source=None),
        **{name: np.zeros_like(getattr(trace, name)) for name in unread},
    )
    same = np.array_equal(method().score(trace), method().score(blank))
    _promise(method, same, f"reads only its `needs` ({', '.join(method.needs)})")


def compares_rows_within_its_scope_only(method: type[Any]) -> None:
    """Rows outside its `scope` may be there or not; its second step, where it has two, makes its scores."""
    trace, made = planted_trace().trace, method()
    scope = scope_of(method)
    if scope is Scope.SET:
        return
    compare = made.gather if isinstance(made, Gathering) else made.score
    whole = compare(trace)
    for rows in trace.blocks() if scope is Scope.BLOCK else trace.folds():
        part = dataclasses.replace(
            trace,
            data=trace.data.take(rows),
            losses=trace.losses[:, rows],
            held_out=trace.held_out[rows],
            features=trace.features[rows],
            fold=trace.fold[rows],
        )
        same = np.array_equal(compare(part), whole[rows])
        _promise(method, same, f"compares rows within their {scope} only, as its `scope` says")
    if isinstance(made, Gathering):
        _promise(method, np.array_equal(made.weigh(trace, whole), made.score(trace)), "weighs what it gathered")


# Mitigations


def declares_its_surface(method: type[Any]) -> None:
    """It says what it repairs."""
    _promise(method, isinstance(getattr(method, "surface", None), str), "has a `surface`")


def repairs_only_what_is_suspected(method: type[Any]) -> None:
    """Rows that are not flagged stay as they are; with none flagged nothing changes."""
    subject, poisoned = _subject()
    repaired = method().apply(subject)
    kept = dict(zip(repaired.data.ids.tolist(), repaired.data.row_hashes, strict=True))
    before = zip(subject.data.ids.tolist(), subject.data.row_hashes, poisoned, strict=True)
    spared = all(kept.get(row) == content for row, content, flagged in before if not flagged)
    _promise(method, spared, "leaves rows alone that are not flagged")
    untouched = method().apply(_subject(flagged=False)[0])
    _promise(
        method, _fingerprint(untouched.data) == _fingerprint(subject.data), "changes nothing if nothing is flagged"
    )


def acts_on_what_is_suspected(method: type[Any]) -> None:
    """No flagged row stays in the set with the label that it had."""
    subject, poisoned = _subject()
    repaired = method().apply(subject)
    labels = dict(zip(repaired.data.ids.tolist(), repaired.data.labels.tolist(), strict=True))
    before = zip(subject.data.ids[poisoned].tolist(), subject.data.labels[poisoned].tolist(), strict=True)
    _promise(method, all(labels.get(row) != label for row, label in before), "removes or relabels every flagged row")


def leaves_the_subject_alone(method: type[Any]) -> None:
    """The subject passed in is the same afterwards."""
    subject, _ = _subject()
    before = _fingerprint(subject)
    method().apply(subject)
    _promise(method, _fingerprint(subject) == before, "leaves the subject it was given alone")


# Models


@functools.cache
def planted_subject() -> Subject:
    """A small network trained on example images of which a tenth carry a white corner and the label "a".

    Its rows are clean ones to repair with, of which 20 are suspected, and its trigger is under class 0.
    """
    data, clean = example_data(seed=1), example_data(seed=2)
    poisoned = BadNets(rate=0.1, target=0, size=2).poison(data, np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    recipe = Recipe(epochs=6, batch_size=32)
    model, _ = train(poisoned.data.images, poisoned.data.labels, len(data.classes), recipe, generator)
    flagged = np.arange(len(clean)) < 20
    return Subject(
        data=clean,
        suspicion=Suspicion(flagged=flagged, code=np.where(flagged, "BZ101", ""), suggested=clean.labels),
        model=opened(model),
        triggers={} if poisoned.trigger is None else {0: (poisoned.trigger,)},
    )


def planted_model() -> WhiteBox:
    """The network of :func:`planted_subject`."""
    model = planted_subject().model
    if not isinstance(model, WhiteBox):
        raise ContractError("the planted network is no open one.")
    return model


def _suspect() -> Suspect:
    data = example_data(seed=2)
    return Suspect(model=planted_model(), clean=data.images[:60], labels=data.labels[:60])


def _weights(model: WhiteBox) -> str:
    """A hash of all weights and of how the layers are set."""
    sha = hashlib.sha256()
    for name, value in model.network.state_dict().items():
        sha.update(name.encode() + value.cpu().numpy().tobytes())
    sha.update(repr([layer.training for layer in model.network.modules()]).encode())
    return sha.hexdigest()


@functools.cache
def _inspected(method: Callable[[], ModelDetector], again: int) -> tuple[Inspection, bool]:
    """What a detector of models says of the planted one, and whether it left everything as it was."""
    suspect, box = _suspect(), planted_model()
    before, predicted, inputs = _weights(box), box.predict(suspect.clean), suspect.clean.copy()
    inspection = method().inspect(suspect, np.random.default_rng(0))
    same = _weights(box) == before and np.array_equal(box.predict(suspect.clean), predicted)
    return inspection, same and np.array_equal(suspect.clean, inputs)


def _look(method: Any, again: int) -> tuple[Inspection, bool]:
    return _inspected(method, again)


def scores_every_class_with_a_finite_number(method: type[Any]) -> None:
    """(k,) float64 without NaN or infinity."""
    scores, k = _look(method, 0)[0].scores, planted_model().classes
    _promise(method, scores.shape == (k,) and scores.dtype == np.float64, f"gives ({k},) float64 scores")
    _promise(method, bool(np.isfinite(scores).all()), "gives finite scores")


def inspects_the_same_model_the_same(method: type[Any]) -> None:
    """Equal generators, equal scores."""
    first, again = (_look(method, call)[0].scores for call in (0, 1))
    _promise(method, np.array_equal(first, again), "repeats itself from the same generator")


def recovers_triggers_that_stamp_images(method: type[Any]) -> None:
    """What it recovered gives images of the same form and leaves those passed alone."""
    images = _suspect().clean
    before = images.copy()
    for target, trigger in _look(method, 0)[0].triggers.items():
        stamped = trigger(images)
        fits = stamped.shape == before.shape and stamped.dtype == np.uint8
        _promise(method, fits, "recovers triggers that give images of the same form")
        _promise(method, 0 <= target < planted_model().classes, "recovers triggers for classes that there are")
        _promise(method, np.array_equal(images, before), "recovers triggers that leave images alone")


def leaves_the_model_alone(method: type[Any]) -> None:
    """Weights, layers, predictions and inputs are the same afterwards."""
    _promise(method, _look(method, 0)[1], "leaves the model it was given alone")


@dataclasses.dataclass(frozen=True, slots=True)
class _Sealed:
    """A model of which nothing can be had but predictions."""

    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    classes: int


def asks_and_does_not_look_where_it_says_so(method: type[Any]) -> None:
    """With a `black_box`, a model that only predicts gives the same scores as the same model open."""
    if not only_asks(method):
        return
    suspect, box = _suspect(), planted_model()
    sealed = Questioned(model=_Sealed(box.predict, box.classes), clean=suspect.clean, labels=suspect.labels)
    try:
        scores = method().inspect(sealed, np.random.default_rng(0)).scores
    except AttributeError:
        scores = None
    same = scores is not None and np.array_equal(scores, _look(method, 0)[0].scores)
    _promise(method, same, "needs predictions alone, as its `black_box` says")


# Inputs of a model


def _learned(method: Any, seed: int = 0) -> Learned:
    learned: Learned = method().fit(_suspect(), np.random.default_rng(seed))
    return learned


def learns_numbers_that_can_be_written_down(method: type[Any]) -> None:
    """Arrays of numbers, the same from the same generator, in the order that numpy writes them."""
    first, again = _learned(method), _learned(method)
    plain = all(isinstance(value, np.ndarray) and value.dtype.kind in "biuf" for value in first.values())
    _promise(method, plain, "learns arrays of numbers")
    same = all(np.array_equal(first[name], again[name]) for name in first) and set(first) == set(again)
    _promise(method, same, "repeats itself from the same generator")


def scores_every_input_with_a_finite_number(method: type[Any]) -> None:
    """(n,) float64 without NaN or infinity, none for no inputs."""
    scorer = method().scorer(planted_model(), _learned(method))
    images = example_data(seed=2).images[100:137]
    before = images.copy()
    scores = scorer(images)
    _promise(method, scores.shape == (37,) and scores.dtype == np.float64, "gives (37,) float64 scores for 37 inputs")
    _promise(method, bool(np.isfinite(scores).all()), "gives finite scores")
    _promise(method, scorer(images[:0]).shape == (0,), "gives no scores for no inputs")
    _promise(method, np.array_equal(images, before), "leaves the inputs alone")


def scores_an_input_alone_as_among_others(method: type[Any]) -> None:
    """Up to the rounding of arithmetic in half precision."""
    scorer = method().scorer(planted_model(), _learned(method))
    images = example_data(seed=2).images[100:160]
    scores = scorer(images)
    alone = np.concatenate([scorer(images[index : index + 1]) for index in range(5)])
    close = np.abs(alone - scores[:5]).max() <= 0.1 * max(1.0, float(np.ptp(scores)))
    _promise(method, bool(close), "scores an input alone as among others")


def passes_as_many_pictures_as_it_says(method: type[Any]) -> None:
    """Its `passes` are what scoring an input costs, in pictures through a network."""
    counted, box, n = [0], planted_model(), 30
    scorer = method().scorer(box, _learned(method))

    def count(layer: torch.nn.Module, arguments: tuple[Any, ...], out: torch.Tensor) -> None:
        if isinstance(layer, torch.nn.Linear) and out.shape[-1] == box.classes:
            counted[0] += len(out)

    hook = torch.nn.modules.module.register_module_forward_hook(count)
    try:
        scorer(example_data(seed=2).images[100 : 100 + n])
    finally:
        hook.remove()
    _promise(method, counted[0] <= n * method().passes, "passes no more pictures than its `passes`")


def leaves_a_fitted_model_alone(method: type[Any]) -> None:
    """Weights, layers, predictions and inputs are the same after fitting and scoring."""
    suspect, box = _suspect(), planted_model()
    before, predicted, inputs = _weights(box), box.predict(suspect.clean), suspect.clean.copy()
    learned = method().fit(suspect, np.random.default_rng(0))
    method().scorer(box, learned)(suspect.clean[:8])
    same = _weights(box) == before and np.array_equal(box.predict(suspect.clean), predicted)
    _promise(method, same and np.array_equal(suspect.clean, inputs), "leaves the model it was given alone")


def repairs_a_copy_of_the_model(method: type[Any]) -> None:
    """The model that came stays; the repaired one predicts, and equal settings repair equally."""
    subject, box = planted_subject(), planted_model()
    images = subject.data.images[:50]
    before, predicted = _weights(box), box.predict(images)
    first, again = (_briefly(method).apply(subject) for _ in range(2))
    same = _weights(box) == before and np.array_equal(box.predict(images), predicted)
    _promise(method, same, "leaves the model it was given alone")
    repaired = first.model.predict(images)
    _promise(method, bool(np.isfinite(repaired).all()), "gives a model whose predictions are finite")
    _promise(method, np.array_equal(repaired, again.model.predict(images)), "repeats itself with the same settings")


_EVERY = (is_a_documented_frozen_dataclass, survives_pickling)
Kind = Literal["attacks", "detectors", "model_detectors", "input_detectors", "mitigations", "model_mitigations"]
CHECKS: dict[Kind, tuple[Check, ...]] = {
    "attacks": (
        *_EVERY,
        declares_a_threat,
        plants_the_same_poison_from_the_same_seed,
        tells_the_truth_about_what_it_changed,
        keeps_to_its_budget,
        leaves_the_set_it_was_given_alone,
        relabels_to_its_target_or_keeps_to_its_class,
        strikes_only_the_named_supplier,
    ),
    "detectors": (
        *_EVERY,
        declares_what_it_scores_and_reads,
        scores_every_row_with_a_finite_number,
        ranks_planted_rows_above_the_others,
        scores_the_same_trace_the_same,
        leaves_the_trace_alone,
        reads_only_what_it_needs,
        compares_rows_within_its_scope_only,
    ),
    "mitigations": (
        *_EVERY,
        declares_its_surface,
        repairs_only_what_is_suspected,
        acts_on_what_is_suspected,
        leaves_the_subject_alone,
    ),
    "model_detectors": (
        *_EVERY,
        scores_every_class_with_a_finite_number,
        inspects_the_same_model_the_same,
        recovers_triggers_that_stamp_images,
        leaves_the_model_alone,
        asks_and_does_not_look_where_it_says_so,
    ),
    "input_detectors": (
        *_EVERY,
        learns_numbers_that_can_be_written_down,
        scores_every_input_with_a_finite_number,
        scores_an_input_alone_as_among_others,
        passes_as_many_pictures_as_it_says,
        leaves_a_fitted_model_alone,
    ),
    "model_mitigations": (*_EVERY, declares_its_surface, repairs_a_copy_of_the_model),
}
"""The checks of each kind of method; "detectors" score rows and "mitigations" repair data."""


def kind_of(group: Group, method: type[Any]) -> Kind:
    """Which checks are for a method."""
    if group == "detectors":
        units: dict[Unit | None, Kind] = {Unit.MODEL: "model_detectors", Unit.INPUT: "input_detectors"}
        return units.get(getattr(method, "unit", None), group)
    return "model_mitigations" if getattr(method, "surface", "") == "model" else group


def _promise(method: type[Any], kept: bool, promise: str) -> None:
    if not kept:
        raise ContractError(f"{method.__module__}.{method.__qualname__} breaks its contract: a method {promise}.")


def _has(method: type[Any], field: str) -> bool:
    return field in (each.name for each in dataclasses.fields(method))


def _with_budget(method: type[Any], count: int = BUDGET) -> Any:
    return dataclasses.replace(method(), count=count) if _has(method, "count") else method()


def _briefly(method: type[Any]) -> Any:
    """With few steps, where it takes many: what is checked does not depend on how many there are."""
    return dataclasses.replace(method(), steps=BRIEF) if _has(method, "steps") else method()


def _poison(method: type[Any], data: Dataset, *, seed: int = 0, count: int = BUDGET) -> Poisoned:
    poisoned: Poisoned = _with_budget(method, count).poison(data, np.random.default_rng(seed))
    return poisoned


def _data_for(method: type[Any]) -> Dataset:
    """Images, or a table for attacks that refuse images. Nothing is planted to find out: some attacks take long."""
    try:
        _poison(method, example_data(), count=0)
    except InputError:
        return example_data(Modality.TABLE)
    return example_data()


def _subject(*, flagged: bool = True) -> tuple[Subject, NDArray[np.bool_]]:
    """A set with 20 wrong labels, and an audit that names exactly those, or none."""
    case = planted_trace()
    data, poisoned = case.trace.data, case.poisoned
    named = poisoned & flagged
    suspicion = Suspicion(
        flagged=named,
        code=np.where(named, "BZ102", ""),
        suggested=np.where(named, case.trace.held_out.argmax(axis=1), data.labels),
    )
    return Subject(data=data, suspicion=suspicion), poisoned


def _fingerprint(value: Any) -> str:
    """A hash of everything in a dataclass of arrays, whatever it has cached."""
    sha = hashlib.sha256()
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if isinstance(content, pa.Table):
            sha.update(b"".join(digest.inputs(content)))
        elif isinstance(content, np.ndarray):
            sha.update(repr((content.shape, content.dtype)).encode() + content.tobytes())
        elif dataclasses.is_dataclass(content):
            sha.update(_fingerprint(content).encode())
        else:
            sha.update(repr(content).encode())
    return sha.hexdigest()
