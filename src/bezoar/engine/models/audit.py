"""The audit of a model, from a file and a few clean inputs to a report."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Modality
from bezoar.core.detector import Suspect, Unit
from bezoar.core.errors import InputError
from bezoar.core.registry import detectors_of
from bezoar.core.report import (
    Check,
    DatasetSummary,
    Evidence,
    Finding,
    ModelSummary,
    Report,
    RunRecord,
    Status,
    UnreadRow,
)
from bezoar.engine.models import controls, nulls
from bezoar.engine.models.findings import backdoor, checked, scanned
from bezoar.engine.models.inspecting import Inspections, inspect
from bezoar.engine.models.nulls import Held, Null, hold
from bezoar.engine.models.opening import Opened, accuracy, aligned, open_model
from bezoar.engine.models.trial import Trial, trial
from bezoar.engine.record import Stopwatch, hardware, versions
from bezoar.engine.settings import Asked, Progress
from bezoar.learn.device import resolve
from bezoar.learn.modelfiles import Scan, Verdict, scan
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
class ModelSettings:
    """What a person can ask of a model audit.

    Parameters
    ----------
    seed : decides which inputs are held out, and all searches.
    detectors : names of model detectors; all that there are where None.
    controls : whether to teach copies of the model a backdoor and see whether they are caught.
    code : "package.module:attribute" of the network, for weights that do not say what they are.
    null : what detectors say of clean models; the one that comes with Bezoar for the architecture where None.
    inputs : clean inputs that are used at most.
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
    if not model.is_file():
        raise InputError(f"{model}: no such file.")
    with settings.watch.stage("opening"):
        (found,) = scan(model)
        if found.verdict is Verdict.UNSAFE:
            return unopened(model, found, data, settings)
        opened = open_model(model, found, data, code=settings.code, device=resolve(settings.device))
        clean = aligned(data, opened.classes, opened.name)
    return _Audit(opened=opened, scan=found, clean=clean, settings=settings).run()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Split:
    """Clean inputs to search with, and others to try on."""

    suspect: Suspect
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
        shape = tuple(self.clean.images.shape[1:])
        null = self.settings.null or nulls.shipped(self.opened.architecture, shape, self.opened.classes)
        detectors = self.settings.detectors or (detectors_of(Unit.MODEL) if null is None else tuple(null.scores))
        with self._stage("inspecting"):
            found = inspect(split.suspect, detectors, looks, self._teller("inspecting"))
        held = self._held(null, found)
        with self._stage("trying"):
            called = self._called(box, found, held, split.held_out, trials)
        power = None
        if self.settings.controls and null is not None:
            with self._stage("controls"):
                power = self._power(split, null, detectors, plants)
        checks = (checked(self.scan), self._check(null, found, called), *found.failed)
        with self._stage("reporting"):
            return self._report(right, null, found, held, called, checks, power, split)

    def _split(self, box: WhiteBox, rng: np.random.Generator) -> _Split:
        """Inputs that the model gets right, in random order, a part of them held out."""
        right = np.flatnonzero(box.predict(self.clean.images).argmax(axis=1) == self.clean.labels)
        rows = rng.permutation(right)[: self.settings.inputs]
        if len(rows) < FEWEST_INPUTS:
            raise InputError(
                f"{self.clean.name}: the model gets {len(rows)} of the clean inputs right; {FEWEST_INPUTS} are needed."
            )
        few = round(HELD_OUT * len(rows))
        held_out, searched = np.sort(rows[:few]), np.sort(rows[few:])
        return _Split(
            suspect=Suspect(model=box, clean=self.clean.images[searched], labels=self.clean.labels[searched]),
            held_out=self.clean.images[held_out],
        )

    def _held(self, null: Null | None, found: Inspections) -> Held | None:
        """None where there is nothing to hold the scores against."""
        if null is None or not found.by_detector:
            return None
        return hold(found.scores, self.opened.classes, null.only(tuple(found.by_detector)))

    def _called(
        self,
        box: WhiteBox,
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
        self, split: _Split, null: Null, detectors: tuple[str, ...], rng: np.random.Generator
    ) -> tuple[Any, ...] | None:
        caught: dict[str, list[bool]] = {}
        for kind in controls.KINDS:
            for own in rng.spawn(COPIES):
                copy = controls.implant(self.opened.box, split.suspect, split.held_out, kind, own)
                if copy is None:
                    continue
                suspect = Suspect(model=copy.box, clean=split.suspect.clean, labels=split.suspect.labels)
                found = inspect(suspect, detectors, own, lambda share: None)
                called = self._called(copy.box, found, self._held(null, found), split.held_out, own)
                caught.setdefault(kind, []).append(bool(called) and called[0].target == copy.target)
        return controls.measured(caught)

    def _check(self, null: Null | None, found: Inspections, called: tuple[Called, ...]) -> Check:
        name, codes = "backdoor in the model", ("BZ201",)
        if null is None:
            detail = (
                f"There is no null for {self.opened.architecture}: nobody knows what detectors say of its clean models. "
                "Make one with `bezoar calibrate`, and name it with --null."
            )
            return Check(name=name, status=Status.FAILED, detail=detail, codes=codes)
        if not found.by_detector:
            return Check(name=name, status=Status.FAILED, detail="No detector could look at the model.", codes=codes)
        return Check(
            name=name, status=Status.FOUND if called else Status.CLEAN, detail=self._held_against(null), codes=codes
        )

    def _held_against(self, null: Null) -> str:
        told = f"Held against {null.models} clean models of {null.architecture}"
        if not null.knows(self.opened.classes):
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
            dataset=_inputs(clean),
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
            run=_record(self.settings, opened.sha256, clean),
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


def unopened(model: Path, found: Scan, data: Dataset, settings: ModelSettings) -> Report:
    """The report on a file that is not safe to open: what the scanner found, and that nothing else was examined."""
    nothing = Check(
        name="backdoor in the model",
        status=Status.FAILED,
        detail="The file is not safe, so the model in it was not opened.",
        codes=("BZ201",),
    )
    return Report(
        kind="model",
        dataset=_inputs(data),
        model=ModelSummary(
            name=model.name,
            form=found.format,
            sha256=found.sha256,
            architecture="not opened",
            parameters=0,
            accuracy=Evidence(name="clean inputs that the model gets right", value=0.0, n=0),
        ),
        checks=(checked(found), nothing),
        findings=scanned(found),
        run=_record(settings, found.sha256, data),
        unread=tuple(UnreadRow(where=item.where, why=item.why) for item in data.unread),
        rows=pa.table(
            {
                "id": pa.array(data.classes, pa.string()),
                "index": np.arange(len(data.classes)),
                "deviations": pa.nulls(len(data.classes), pa.float64()),
                "p_value": pa.nulls(len(data.classes), pa.float64()),
                "flagged": np.zeros(len(data.classes), dtype=bool),
                "code": pa.array([""] * len(data.classes), pa.string()),
            }
        ),
    )


def _record(settings: ModelSettings, sha256: str, clean: Dataset) -> RunRecord:
    watch = settings.watch
    return RunRecord(
        command=settings.asked.command,
        arguments=dict(settings.asked.given),
        defaults=dict(settings.asked.defaults),
        seed=settings.seed,
        started=watch.started.isoformat(timespec="seconds"),
        seconds=watch.seconds,
        stages=watch.stages,
        cpu_seconds={name: spent.cpu_seconds for name, spent in watch.spent.items()},
        peak_bytes={name: spent.peak_bytes for name, spent in watch.spent.items()},
        versions=versions(),
        hardware=hardware(resolve(settings.device)),
        digests={"model": sha256, "data": clean.merkle_root},
        trusted=True,
        notes=clean.notes,
    )


def _inputs(clean: Dataset) -> DatasetSummary:
    return DatasetSummary(
        name=clean.name,
        modality=str(clean.modality),
        rows=len(clean),
        shape=clean.images.shape[1:],
        classes=clean.classes,
        class_counts=tuple(np.bincount(clean.labels, minlength=len(clean.classes)).tolist()),
        merkle_root=clean.merkle_root,
        unread=len(clean.unread),
    )
