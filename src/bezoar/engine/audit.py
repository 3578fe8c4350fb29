"""The audit of a training set, from rows to report."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Modality
from bezoar.core.errors import InputError
from bezoar.core.registry import lookup
from bezoar.core.report import Check, Evidence, PowerRow, Report, Status
from bezoar.data.spool import release
from bezoar.engine import memory
from bezoar.engine.backdoor import Hypothesis, retry
from bezoar.engine.controls import measure, spike
from bezoar.engine.findings import FLOOD
from bezoar.engine.judgement import Judgement, carried, conclude, judge
from bezoar.engine.labels import Labels
from bezoar.engine.record import Stopwatch, give_back
from bezoar.engine.scoring import Scores, score_rows
from bezoar.engine.settings import Settings
from bezoar.engine.summary import Outcome, summarise
from bezoar.learn.cross_fit import cross_fit, stratified_folds
from bezoar.learn.device import resolve
from bezoar.learn.fitted import CrossFit
from bezoar.learn.picked import Picked
from bezoar.learn.recipe import Recipe, default_recipe
from bezoar.learn.training import train

FEWEST_ROWS = 40
"""Fewer rows than this allow no claim."""
RELEASED_FROM = 0.8
"""Share of the memory that may be used from which pages of mapped images are given back."""
FEWEST_OF_A_CLASS = 8
"""A class of fewer rows is judged with the rest but cannot be one of the two that an audit needs."""


def audit(data: Dataset, settings: Settings) -> Report:
    """Audit a training set: train once, score, confirm by experiment, measure the audit's own power.

    Raises
    ------
    InputError
        Texts, too few rows, or fewer than two classes with enough rows: nothing could be claimed. Trusted rows of
        another kind.
    UsageError
        Less memory than an audit of these rows takes.
    UnknownNameError
        A detector that does not exist or does not load.
    """
    _require_auditable(data)
    if settings.means.memory is not None:
        memory.require(data, settings.trusted, settings.means.memory)
    for name in settings.detectors or ():
        lookup("detectors", name)
    if settings.trusted is not None:
        settings = dataclasses.replace(settings, trusted=_aligned(settings.trusted, data))
    mapped = [one.images for one in (data, settings.trusted) if one is not None and one.modality is Modality.IMAGE]
    return _Audit(data=data, settings=settings, watch=_watch(mapped, settings), mapped=mapped).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Audit:
    """One run: what it works on, how it tells the time, and the images whose pages the watch gives back."""

    data: Dataset
    settings: Settings
    watch: Stopwatch
    mapped: list[NDArray[np.uint8]]

    def run(self) -> Report:
        # Each stage has its own stream, so that leaving one out changes no other.
        folds, probes, cure, plant, again = np.random.default_rng(self.settings.seed).spawn(5)
        judgement, scores = self._judged(folds, probes, cure)
        power = None
        if self.settings.controls:
            with self._stage("controls"):
                power = self._controls(judgement, plant, again)
        outcome = Outcome(
            data=self.data,
            scores=scores.by_detector,
            judgement=judgement,
            checks=(*self._checks(judgement, scores), *self._unpowered(power)),
            power=power,
        )
        with self._stage("reporting"):
            return summarise(outcome, self.settings, self.watch, self._recipe)

    def _judged(
        self, folds: np.random.Generator, probes: np.random.Generator, cure: np.random.Generator
    ) -> tuple[Judgement, Scores]:
        """All but the controls, for which the models and their trace need not be kept."""
        with self._stage("training"):
            fit = self._fit(self.data, folds, "training")
        with self._stage("scoring"):
            scores = score_rows(
                fit.trace, self.settings.detectors, self._teller("scoring"), spread=self.settings.means.spread
            )
        with self._stage("searching"):
            judgement = judge(fit, scores.by_detector, probes, trusted=self.settings.trusted)
        with self._stage("confirming"):
            return self._confirm(fit, scores, judgement, cure), scores

    @property
    def _recipe(self) -> Recipe:
        return self.settings.recipe or default_recipe(len(self.data))

    @property
    def _device(self) -> torch.device:
        return resolve(self.settings.device)

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """Time a stage and tell of its beginning and its end."""
        tell = self._teller(name)
        tell(0.0)
        with self.watch.stage(name):
            yield
        tell(1.0)

    def _teller(self, stage: str) -> Callable[[float], None]:
        tell = self.settings.progress
        return (lambda share: None) if tell is None else (lambda share: tell(stage, share))

    def _fit(self, data: Dataset, rng: np.random.Generator, stage: str) -> CrossFit:
        checkpoints = self.settings.checkpoints
        return cross_fit(
            data,
            rng,
            recipe=self._recipe,
            device=self._device,
            progress=_Share(self._teller(stage), len(data) * self._recipe.epochs),
            checkpoints=None if checkpoints is None else checkpoints / stage,
            spread=self.settings.means.spread,
        )

    def _confirm(self, fit: CrossFit, scores: Scores, judgement: Judgement, rng: np.random.Generator) -> Judgement:
        """Train without the suspects, count flips again, and keep the backdoors whose behaviour went with them."""
        if not judgement.hypotheses:
            return judgement
        cured = self._cured(judgement.hypotheses, rng)
        tried = tuple(retry(h, self.data, fit.trace.fold, cured, rng) for h in judgement.hypotheses)
        confirmed = tuple(hypothesis for hypothesis in tried if hypothesis.confirmed)
        return conclude(fit, scores.by_detector, confirmed, trusted=self.settings.trusted)

    def _cured(self, hypotheses: tuple[Hypothesis, ...], rng: np.random.Generator) -> "_Single":
        """A model trained on half of the set less the suspects: as much data as the models before had."""
        left = np.flatnonzero(~carried(hypotheses, len(self.data)))
        half = left[stratified_folds(self.data.labels[left], 2, rng) == 0]
        checkpoints = self.settings.checkpoints
        model, _ = train(
            Picked(self.data.images, half),
            self.data.labels[half],
            len(self.data.classes),
            self._recipe,
            torch.Generator().manual_seed(int(rng.integers(2**62))),
            device=self._device,
            progress=_Share(self._teller("confirming"), len(half) * self._recipe.epochs),
            checkpoint=None if checkpoints is None else checkpoints / "confirming" / "cured.safetensors",
            halved=True,
        )
        return _Single(predict_one=model.predict)

    def _controls(
        self, judgement: Judgement, plant: np.random.Generator, again: np.random.Generator
    ) -> tuple[tuple[PowerRow, ...], Evidence] | None:
        left = ~judgement.flagged
        if unfit(self.data.labels[left], self.data.classes):
            return None
        spiked, spikes = spike(self.data, plant, left=left, means=self.settings.means)
        if spiked.modality is Modality.IMAGE:
            self.mapped.append(spiked.images)
        fit = self._fit(spiked, again, "controls")
        give_back()
        # Scores propose where triggers may be. Which rows of a table are flagged, predictions alone decide.
        image = self.data.modality is Modality.IMAGE
        detectors = self.settings.detectors if image else ()
        scores = score_rows(fit.trace, detectors, lambda share: None, spread=self.settings.means.spread)
        give_back()
        return measure(judge(fit, scores.by_detector, again, trusted=self.settings.trusted), spikes)

    def _unpowered(self, power: object) -> tuple[Check, ...]:
        if power is not None or not self.settings.controls:
            return ()
        detail = (
            "Too few rows are left without those flagged to plant poison in, so the power of this audit is unknown."
        )
        return (Check(name="controls", status=Status.FAILED, detail=detail),)

    def _checks(self, judgement: Judgement, scores: Scores) -> tuple[Check, ...]:
        image = self.data.modality is Modality.IMAGE
        labels = judgement.labels
        return (
            Check(
                name="backdoor triggers",
                status=_status(bool(judgement.hypotheses)) if image else Status.NOT_APPLICABLE,
                detail="" if image else "Fixed triggers are sought in images only.",
                codes=("BZ101",),
            ),
            _of_labels("wrong labels", ("BZ102", "BZ103"), labels, found=bool(labels.flagged.any())),
            _of_labels("systematic label flips", ("BZ103",), labels, found=bool(labels.pairs or labels.systems)),
            Check(
                name="repeated images",
                status=_status(bool((judgement.copies >= FLOOD).any())) if image else Status.NOT_APPLICABLE,
                detail="" if image else "Equal rows of a table are often honest.",
                codes=("BZ106",),
            ),
            Check(
                name="contradicting copies",
                status=_status(bool(judgement.contradicting.any())) if image else Status.NOT_APPLICABLE,
                detail="" if image else "Equal rows of a table may honestly differ in label.",
                codes=("BZ104",),
            ),
            Check(
                name="sources",
                status=Status.NOT_APPLICABLE if self.data.source is None else Status.CLEAN,
                detail="The set names no sources." if self.data.source is None else "",
                codes=("BZ105",),
            ),
            *scores.failed,
        )


@dataclass(frozen=True, slots=True)
class _Single:
    """One model for rows of every fold."""

    predict_one: Callable[[NDArray[np.uint8]], NDArray[np.float32]]

    def predict(self, inputs: NDArray[np.uint8], fold: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.predict_one(inputs)


@dataclass(slots=True)
class _Share:
    """Adds up rows and tells the share of all."""

    tell: Callable[[float], None]
    total: int
    done: int = 0

    def __call__(self, rows: int) -> None:
        self.done += rows
        self.tell(min(1.0, self.done / self.total))


def _watch(mapped: list[NDArray[np.uint8]], settings: Settings) -> Stopwatch:
    """A watch that gives mapped images' pages back whenever much of the memory that may be used is."""
    allowed = settings.means.memory
    if allowed is None:
        return settings.watch

    def give_back_pages(held: int) -> None:
        if held > RELEASED_FROM * allowed:
            for images in mapped:
                release(images)

    return dataclasses.replace(settings.watch, watched=give_back_pages)


def _status(found: bool) -> Status:
    return Status.FOUND if found else Status.CLEAN


def _of_labels(name: str, codes: tuple[str, ...], labels: Labels, *, found: bool) -> Check:
    if labels.judged:
        return Check(name=name, status=_status(found), codes=codes)
    detail = (
        "Models foretell the labels of rows that they never saw no better than the frequencies of the classes do, so "
        "nothing can be said of single labels."
    )
    return Check(name=name, status=Status.FAILED, detail=detail, codes=codes)


def _aligned(trusted: Dataset, data: Dataset) -> Dataset:
    """Trusted rows with their labels as the audited set numbers its classes."""
    if trusted.modality is not data.modality:
        raise InputError(f"{trusted.name}: trusted rows must be of the kind {data.modality}. Got {trusted.modality}.")
    if data.modality is Modality.IMAGE:
        came, wanted = trusted.images.shape[1:], data.images.shape[1:]
    else:
        came, wanted = tuple(trusted.table.column_names), tuple(data.table.column_names)
    if came != wanted:
        raise InputError(f"{trusted.name}: trusted rows must be {wanted}, as {data.name} is. Got {came}.")
    names = [trusted.classes[label] for label in np.unique(trusted.labels)]
    strange = [name for name in names if name not in data.classes]
    if strange:
        raise InputError(f"{trusted.name}: trusted rows have the class {strange[0]!r}, which {data.name} has not.")
    index = np.array([data.classes.index(name) if name in names else -1 for name in trusted.classes], dtype=np.int64)
    return dataclasses.replace(trusted, labels=index[trusted.labels], classes=data.classes)


def _require_auditable(data: Dataset) -> None:
    if data.modality is Modality.TEXT:
        raise InputError(f"{data.name}: holds texts. Images and tables can be audited.")
    reason = unfit(data.labels, data.classes)
    if reason and data.unread:
        first = data.unread[0]
        reason += f" {len(data.unread):,} rows or files could not be read, such as {first.where}: {first.why}."
    if reason:
        raise InputError(f"{data.name}: {reason}")


def unfit(labels: NDArray[np.int64], classes: tuple[str, ...]) -> str:
    """Why an audit could claim nothing of rows with these labels (n,): too few, or of one class. Empty where it can."""
    if len(labels) < FEWEST_ROWS:
        return f"{len(labels)} rows are too few for any claim. At least {FEWEST_ROWS} are needed."
    sizes = np.bincount(labels, minlength=len(classes))
    if (sizes >= FEWEST_OF_A_CLASS).sum() >= 2:
        return ""
    largest = ", ".join(f"{classes[i]} ({sizes[i]})" for i in np.argsort(-sizes, kind="stable")[:5])
    return f"two classes with at least {FEWEST_OF_A_CLASS} rows each are needed. Got {largest}."
