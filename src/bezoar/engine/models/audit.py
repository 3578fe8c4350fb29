"""The audit of a model, from a file and a few clean inputs to a report."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Modality
from bezoar.core.detector import Questioned, Suspect, Unit
from bezoar.core.errors import InputError, ModelError
from bezoar.core.registry import detectors_of
from bezoar.core.report import (
    Check,
    Evidence,
    Finding,
    ModelSummary,
    Report,
    Status,
    UnreadRow,
)
from bezoar.core.validation import Positive, Validated
from bezoar.engine.models import controls, nulls
from bezoar.engine.models.findings import backdoor, checked, scanned
from bezoar.engine.models.inspecting import Inspections, asking, inspect, looking, unfit
from bezoar.engine.models.nulls import Held, Null, hold
from bezoar.engine.models.opening import Opened, accuracy, aligned, asked, open_model, opener_of
from bezoar.engine.models.trial import Trial, trial
from bezoar.engine.models.unexamined import inputs_of, record, unopened
from bezoar.engine.record import Stopwatch
from bezoar.engine.settings import Asked, Progress
from bezoar.learn.apart import SECONDS, Apart, Opener, rehearse
from bezoar.learn.device import resolve
from bezoar.learn.modelfiles import Scan, Verdict, scan
from bezoar.learn.own_model import open_network
from bezoar.learn.white_box import WhiteBox

FEWEST_INPUTS = 40
"""Fewer clean inputs allow no claim: half of them are searched with, half are tried on."""
INPUTS = 100
"""Clean inputs that are used at most, unless a person asks for more."""
HELD_OUT = 0.4
"""Share of the clean inputs that no search sees."""
CALLED_AT = 0.01
"""Share of clean models with a class that stands out as much, by the fitted tail, from which a class is called."""
LEAST_LIFT = 2.0
"""How many times better than chance a model must be on the clean inputs for anything to be said of it."""
COPIES = 2
"""Copies that are taught each kind of backdoor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings(Validated):
    """What a person can ask of a model audit.

    Parameters
    ----------
    seed : decides which inputs are held out, and all searches.
    detectors : names of model detectors; where None all that look into it, or of a black box all that ask it.
    controls : whether to teach copies of the model a backdoor and see whether they are caught.
    code : "package.module:attribute" of the network, for weights that do not say what they are.
    null : what detectors say of clean models; the one that comes with Bezoar for the architecture where None.
    inputs : clean inputs that are used at most.
    run_model : whether the program may be run that an exported model is. It can do whatever it likes.
    time_limit : seconds that one batch of predictions may take.
    device : "auto", "cpu", "cuda" or "mps".
    asked : how a person asked for it, for the run record.
    progress : told (stage, share done).
    watch : what tells the time.
    """

    seed: int = 0
    detectors: tuple[str, ...] | None = None
    controls: bool = True
    code: str | None = None
    null: Null | None = None
    inputs: int = INPUTS
    run_model: bool = False
    time_limit: Positive = SECONDS
    device: str = "auto"
    asked: Asked = field(default_factory=lambda: Asked(command="bezoar.audit_model", given={}, defaults={}))
    progress: Progress | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Called:
    """A class that stands out, with the trigger that does most.

    Parameters
    ----------
    target : class index.
    held : how all classes stand out.
    detector : that recovered the trigger; empty where none did.
    trial : what the trigger does to held-out inputs, None without one.
    """

    target: int
    held: Held
    detector: str
    trial: Trial | None

    @property
    def deviations(self) -> float:
        """Robust standard deviations by which the class stands out."""
        return float(self.held.deviations[self.target])

    @property
    def confirmed(self) -> bool:
        """The recovered trigger works on inputs that the search never saw."""
        return self.trial is not None and self.trial.works


def audit_model(model: Path, data: Dataset, settings: ModelSettings) -> Report:
    """Audit a model: does it hide a backdoor, towards which class, by what trigger, how sure is that?

    Parameters
    ----------
    model : its file, see :func:`bezoar.engine.models.opening.open_model`.
    data : clean labelled inputs of its kind.

    Raises
    ------
    InputError
        The file cannot be opened, does not fit the inputs, or there are too few of them.
    UnknownNameError
        A detector that does not exist or does not load.
    """
    if data.modality is not Modality.IMAGE:
        raise InputError(f"{data.name}: holds {data.modality} rows. Models of images can be audited.")
    if len(data) < FEWEST_INPUTS:
        raise InputError(
            f"{data.name}: {len(data)} clean inputs are too few for any claim. {FEWEST_INPUTS} are needed."
        )
    return examined(
        model,
        data,
        settings,
        lambda opened, found: audit_opened(opened, found, aligned(data, opened.classes, opened.name), settings),
    )


def examined(model: Path, data: Dataset, settings: ModelSettings, work: Callable[[Opened, Scan], Report]) -> Report:
    """What `work` says of a model, which is open meanwhile; the report on it where it cannot be examined.

    Parameters
    ----------
    data : inputs of its kind.

    Raises
    ------
    InputError
        No such file, or one that does not fit the inputs.
    """
    if not model.is_file():
        raise InputError(f"{model}: no such file.")
    with settings.watch.stage("opening"):
        (found,) = scan(model)
    if found.verdict is Verdict.UNSAFE:
        return unopened(model, found, data, settings, "The file is not safe, so the model in it was not opened.")
    if found.format == "onnx" and found.verdict is Verdict.NOT_ANALYSED:
        return unopened(model, found, data, settings, "Not all of the file could be analysed, so it was not opened.")
    with contextlib.ExitStack() as stack:
        try:
            with settings.watch.stage("opening"):
                opened = _opened(model, found, data, settings, stack)
            return work(opened, found)
        except ModelError as error:
            return unopened(model, found, data, settings, f"Nothing can be said of it: {error}")


def audit_opened(opened: Opened, found: Scan, clean: Dataset, settings: ModelSettings) -> Report:
    """Audit a model that is open already, with clean inputs in the order of its classes. Raises as :func:`audit_model`."""
    return _Audit(opened=opened, scan=found, clean=clean, settings=settings).run()


def _opened(model: Path, found: Scan, data: Dataset, settings: ModelSettings, stack: contextlib.ExitStack) -> Opened:
    """The model, open, for as long as the stack is."""
    shape, classes, seconds = data.images.shape[1:], len(data.classes), settings.time_limit
    if settings.code is not None:
        # Whatever it does first, it does elsewhere: a network that hangs here could not be stopped.
        opener: Opener = partial(open_network, settings.code, model)
        rehearse(opener, data.images[:INPUTS], classes=classes, name=model.name, seconds=seconds)
    elif (found_opener := opener_of(model, found, shape, run=settings.run_model)) is not None:
        box = Apart(opener=found_opener, classes=classes, name=model.name, seconds=seconds)
        return asked(model, found, data, stack.enter_context(box))
    return open_model(model, found, data, code=settings.code, device=resolve(settings.device), seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Split:
    """Clean inputs to search with, and others to try on."""

    suspect: Questioned
    held_out: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Audit:
    """One run."""

    opened: Opened
    scan: Scan
    clean: Dataset
    settings: ModelSettings

    def run(self) -> Report:
        draws, looks, trials, plants = np.random.default_rng(self.settings.seed).spawn(4)
        box = self.opened.box
        right = accuracy(box, self.clean)
        if right.value < LEAST_LIFT / box.classes:
            raise InputError(
                f"{self.opened.name}: gets {right.value:.0%} of the clean inputs right, no better than a guess. Are they "
                "of its kind, its classes in this order, and pixels scaled as it wants them?"
            )
        split = self._split(box, draws)
        null = self.settings.null or nulls.shipped(self.opened.architecture, self.clean)
        detectors, barred = self._detectors(null)
        with self._stage("inspecting"):
            found = inspect(split.suspect, detectors, looks, self._teller("inspecting"))
        held = self._held(null, found)
        with self._stage("trying"):
            called = self._called(box, found, held, split.held_out, trials)
        power = None
        if self.settings.controls and null is not None and isinstance(box, WhiteBox):
            with self._stage("controls"):
                power = self._power(box, split, null, detectors, plants)
        checks = (checked(self.scan), self._check(null, found, called), *found.failed, *unfit(barred))
        with self._stage("reporting"):
            return self._report(right, null, found, held, called, checks, power, split)

    def _detectors(self, null: Null | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of those that look at the model, and of those that would but cannot."""
        named = self.settings.detectors
        known = None if null is None else tuple(null.scores)
        if not isinstance(self.opened.box, Apart):
            return named or known or looking(), ()
        able = tuple(name for name in named or asking() if name in asking())
        if named is None and known is not None:
            able = tuple(name for name in able if name in known) or able
        return able, tuple(name for name in named or detectors_of(Unit.MODEL) if name not in asking())

    def _split(self, box: WhiteBox | Apart, rng: np.random.Generator) -> _Split:
        """Inputs that the model gets right, in random order, a part of them held out."""
        right = np.flatnonzero(box.predict(self.clean.images).argmax(axis=1) == self.clean.labels)
        rows = rng.permutation(right)[: self.settings.inputs]
        if len(rows) < FEWEST_INPUTS:
            raise InputError(
                f"{self.clean.name}: the model gets {len(rows)} of the clean inputs right; {FEWEST_INPUTS} are needed."
            )
        few = round(HELD_OUT * len(rows))
        held_out, searched = np.sort(rows[:few]), np.sort(rows[few:])
        images, labels = self.clean.images[searched], self.clean.labels[searched]
        suspect = (
            Questioned(model=box, clean=images, labels=labels)
            if isinstance(box, Apart)
            else Suspect(model=box, clean=images, labels=labels)
        )
        return _Split(suspect=suspect, held_out=self.clean.images[held_out])

    def _held(self, null: Null | None, found: Inspections) -> Held | None:
        """None where there is nothing to hold the scores against."""
        if null is None or not found.by_detector:
            return None
        return hold(found.scores, null.only(tuple(found.by_detector)), same=null.knows(self.clean))

    def _called(
        self,
        box: WhiteBox | Apart,
        found: Inspections,
        held: Held | None,
        held_out: NDArray[np.uint8],
        rng: np.random.Generator,
    ) -> tuple[Called, ...]:
        if held is None:
            return ()
        called = []
        for target in np.flatnonzero(held.tail <= CALLED_AT).tolist():
            tried = {
                name: trial(box, trigger, target, held_out, rng) for name, trigger in found.triggers(target).items()
            }
            best = max(tried, key=lambda name: (tried[name].works, tried[name].target.value), default="")
            called.append(Called(target=target, held=held, detector=best, trial=tried.get(best)))
        return tuple(sorted(called, key=lambda each: (not each.confirmed, -each.deviations)))

    def _power(
        self, box: WhiteBox, split: _Split, null: Null, detectors: tuple[str, ...], rng: np.random.Generator
    ) -> tuple[Any, ...] | None:
        caught: dict[str, list[bool]] = {}
        clean, labels = split.suspect.clean, split.suspect.labels
        for kind in controls.KINDS:
            for own in rng.spawn(COPIES):
                own_suspect = Suspect(model=box, clean=clean, labels=labels)
                copy = controls.implant(box, own_suspect, split.held_out, kind, own)
                if copy is None:
                    continue
                suspect = Suspect(model=copy.box, clean=clean, labels=labels)
                found = inspect(suspect, detectors, own, lambda share: None)
                called = self._called(copy.box, found, self._held(null, found), split.held_out, own)
                caught.setdefault(kind, []).append(bool(called) and called[0].target == copy.target)
        return controls.measured(caught)

    def _check(self, null: Null | None, found: Inspections, called: tuple[Called, ...]) -> Check:
        name, codes = "backdoor in the model", ("BZ201",)
        if null is None:
            detail = (
                f"There is no null for {self._kind}: nobody knows what detectors say of its clean models. "
                f"Make one with `bezoar calibrate{self._only}`, and name it with --null."
            )
            return Check(name=name, status=Status.FAILED, detail=detail, codes=codes)
        if not found.by_detector:
            return Check(name=name, status=Status.FAILED, detail="No detector could look at the model.", codes=codes)
        return Check(
            name=name, status=Status.FOUND if called else Status.CLEAN, detail=self._held_against(null), codes=codes
        )

    @property
    def _kind(self) -> str:
        """What clean models would have to be like."""
        return "this black box" if isinstance(self.opened.box, Apart) else self.opened.architecture

    @property
    def _only(self) -> str:
        """What else to say to `bezoar calibrate`: only some detectors look at black boxes."""
        return f" --detectors {','.join(asking())}" if isinstance(self.opened.box, Apart) else ""

    def _held_against(self, null: Null) -> str:
        told = f"Held against {null.models} clean models of {null.architecture}"
        if isinstance(self.opened.box, Apart):
            told += f", which a black box may be or not; it was asked about {self.opened.box.asked:,} inputs"
        if not null.knows(self.clean):
            told += " with other classes: p-values are a guide here, no promise"
        return f"{told}."

    def _report(
        self,
        right: Evidence,
        null: Null | None,
        found: Inspections,
        held: Held | None,
        called: tuple[Called, ...],
        checks: tuple[Check, ...],
        power: tuple[Any, ...] | None,
        split: _Split,
    ) -> Report:
        opened, clean, k = self.opened, self.clean, self.opened.box.classes
        findings: list[Finding] = [*scanned(self.scan)]
        findings += [backdoor(opened, each, found, split.held_out, clean.classes, null) for each in called]
        flagged = np.isin(np.arange(k), [each.target for each in called])
        rows = pa.table(
            {
                "id": pa.array(opened.classes, pa.string()),
                "index": np.arange(k),
                **found.scores,
                "deviations": pa.nulls(k, pa.float64()) if held is None else pa.array(held.deviations),
                "p_value": pa.nulls(k, pa.float64()) if held is None else pa.array(held.p_values),
                "flagged": flagged,
                "code": pa.array(["BZ201" if each else "" for each in flagged], pa.string()),
            }
        )
        return Report(
            kind="model",
            dataset=inputs_of(clean),
            model=ModelSummary(
                name=opened.name,
                form=opened.form,
                sha256=opened.sha256,
                architecture=opened.architecture,
                parameters=opened.parameters,
                accuracy=right,
                null="" if null is None else self._held_against(null),
            ),
            checks=checks,
            findings=tuple(findings),
            run=record(self.settings, opened.sha256, clean),
            power=power,
            unread=tuple(UnreadRow(where=item.where, why=item.why) for item in clean.unread),
            rows=rows,
        )

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        tell = self._teller(name)
        tell(0.0)
        with self.settings.watch.stage(name):
            yield
        tell(1.0)

    def _teller(self, stage: str) -> Callable[[float], None]:
        tell = self.settings.progress
        return (lambda share: None) if tell is None else (lambda share: tell(stage, share))
