"""From a model and the inputs that it fails on to a report: backdoor, drift or plain weakness?"""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa

from bezoar.core.data import Dataset, Modality
from bezoar.core.errors import InputError
from bezoar.core.report import Certainty, Check, ModelSummary, Report, Status, UnreadRow
from bezoar.engine.models.attribution import Attribution, attributed
from bezoar.engine.models.audit import FEWEST_INPUTS, LEAST_LIFT, ModelSettings, audit_opened, examined
from bezoar.engine.models.findings import checked
from bezoar.engine.models.opening import Opened, accuracy, aligned
from bezoar.engine.models.unexamined import inputs_of, record
from bezoar.engine.triage.confusion import confused
from bezoar.engine.triage.deciding import BACKDOOR, DRIFT, WEAKNESS, Facts, checks, findings
from bezoar.engine.triage.drift import shifts
from bezoar.engine.triage.influence import Influence, influence
from bezoar.engine.triage.inputs import Failing, Reference
from bezoar.engine.triage.residue import carried, residues
from bezoar.learn.modelfiles import Scan
from bezoar.learn.recipe import Recipe, default_recipe
from bezoar.learn.white_box import WhiteBox

FEWEST_FAILURES = 10
"""Fewer failing inputs allow no claim."""


def triage(
    model: Path, failures: Dataset, reference: Dataset, settings: ModelSettings, train: Dataset | None = None
) -> Report:
    """Why does a model fail on these inputs?

    Parameters
    ----------
    model : its file, as :func:`bezoar.engine.models.audit.audit_model` takes it.
    failures : labelled inputs that it gets wrong; those that it gets right are left out.
    reference : other labelled inputs of its kind, on which it works.
    train : its training rows, if there are any: then mistakes are traced back to rows and their sources.

    Raises
    ------
    InputError
        The file cannot be opened, or does not fit; too few inputs; a model that gets the failures right or the reference wrong.
    """
    for data in (failures, reference, *(() if train is None else (train,))):
        if data.modality is not Modality.IMAGE:
            raise InputError(f"{data.name}: holds {data.modality} rows. Failures of models of images can be explained.")
    if len(reference) < FEWEST_INPUTS:
        raise InputError(
            f"{reference.name}: {len(reference)} reference inputs are too few for any claim. {FEWEST_INPUTS} are needed."
        )
    report = examined(
        model,
        reference,
        settings,
        lambda opened, found: _Triage(opened, found, settings).run(failures, reference, train),
    )
    if report.kind == "triage":
        return report
    # The model was not examined.
    return dataclasses.replace(report, kind="triage", dataset=inputs_of(failures))


@dataclasses.dataclass(frozen=True, slots=True)
class _Triage:
    """One run."""

    opened: Opened
    scan: Scan
    settings: ModelSettings

    def run(self, failures: Dataset, reference: Dataset, train: Dataset | None) -> Report:
        opened, settings = self.opened, self.settings
        known = aligned(reference, opened.classes, opened.name)
        right = accuracy(opened.box, known)
        if right.value < LEAST_LIFT / opened.box.classes:
            raise InputError(
                f"{opened.name}: gets {right.value:.0%} of {reference.name} right, no better than a guess."
            )
        asked = aligned(failures, opened.classes, opened.name)
        answers = opened.box.predict(asked.images)
        wrong = answers.argmax(axis=1) != asked.labels
        if wrong.sum() < FEWEST_FAILURES:
            raise InputError(
                f"{failures.name}: {opened.name} gets {int((~wrong).sum())} of {len(wrong)} right. {FEWEST_FAILURES} that it "
                "gets wrong are needed to say why."
            )
        failing = Failing(images=asked.images, labels=asked.labels, log_probabilities=answers).only(wrong)
        usual = Reference(images=known.images, labels=known.labels)
        facts = self._facts(failing, usual, known, train)
        return Report(
            kind="triage",
            dataset=inputs_of(asked),
            model=ModelSummary(
                name=opened.name,
                form=opened.form,
                sha256=opened.sha256,
                architecture=opened.architecture,
                parameters=opened.parameters,
                accuracy=dataclasses.replace(right, name="reference inputs that the model gets right"),
            ),
            checks=(checked(self.scan), *checks(facts), self._recovery(facts), _tracing(facts)),
            findings=findings(facts),
            run=record(settings, opened.sha256, asked),
            unread=tuple(UnreadRow(where=item.where, why=item.why) for item in (*asked.unread, *known.unread)),
            rows=_rows(asked, wrong, facts),
        )

    def _facts(self, failing: Failing, usual: Reference, known: Dataset, train: Dataset | None) -> Facts:
        opened, settings = self.opened, self.settings
        marks, drifts = np.random.default_rng(settings.seed).spawn(2)
        with settings.watch.stage("comparing"):
            common = residues(opened.box, failing, usual, marks)
            apart = shifts(opened.box, failing, usual, drifts)
            confusion = confused(failing, opened.box.predict(usual.images), usual.labels)
        # Stages of the audit are told by itself.
        audit = audit_opened(opened, self.scan, known, dataclasses.replace(settings, controls=False))
        target = common[0].target if common else confusion.target
        own = failing.only(failing.predicted == target)
        with settings.watch.stage("explaining"):
            why = Attribution()
            if isinstance(opened.box, WhiteBox):
                why = attributed(opened.box, own.images, usual.like(own, marks), target, opened.classes[target])
        with settings.watch.stage("tracing"):
            traced = None if train is None else self._traced(own, usual, target, train)
        return Facts(
            classes=opened.classes,
            failing=failing,
            reference=usual,
            residues=common,
            shifts=apart,
            confusion=confusion,
            recovered=(
                tuple(each for each in audit.findings if each.code == "BZ201"),
                next(each for each in audit.checks if "BZ201" in each.codes),
            ),
            attribution=why,
            influence=traced,
            train=train,
        )

    def _traced(self, own: Failing, usual: Reference, target: int, train: Dataset) -> Influence | None:
        rows = aligned(train, self.opened.classes, self.opened.name)
        trained = self.opened.trained
        recipe: Recipe = default_recipe(len(rows)) if trained is None else trained.recipe
        return influence(rows, own, usual, target, recipe, seed=self.settings.seed, device=self.settings.device)

    def _recovery(self, facts: Facts) -> Check:
        """The audit of the model itself, as a question of this report."""
        found, check = facts.recovered
        status = check.status
        if status is Status.FOUND and not any(each.certainty is Certainty.CONFIRMED for each in found):
            # Models that fail are unlike those of the null: a class that merely stands out explains nothing here.
            status = Status.CLEAN
        return dataclasses.replace(
            check, name="a trigger that works can be recovered from the model", status=status, codes=("BZ201",)
        )


def _tracing(facts: Facts) -> Check:
    name = "mistakes come from training rows that stand out"
    if facts.influence is None:
        detail = "There are no training rows. Name them with --train."
        return Check(name=name, status=Status.NOT_APPLICABLE, detail=detail, codes=(BACKDOOR,))
    traced = facts.influence
    if traced.reproduced.value < 0.5:
        detail = f"A model that was trained on the rows makes {traced.reproduced.value:.0%} of the mistakes: they are not its rows."
        return Check(name=name, status=Status.NOT_APPLICABLE, detail=detail, codes=(BACKDOOR,))
    status = Status.FOUND if facts.backdoor is not None and traced.taught.any() else Status.CLEAN
    detail = f"{int(traced.taught.sum())} of {len(traced.taught)} training rows lead those of their label by far."
    return Check(name=name, status=status, detail=detail, codes=(BACKDOOR,))


def _rows(asked: Dataset, wrong: np.ndarray, facts: Facts) -> pa.Table:
    """A line for each input that was handed in."""
    n, names = len(asked), np.array(facts.classes)
    predicted, close = asked.labels.copy(), np.full(n, np.nan)
    predicted[wrong] = facts.failing.predicted
    rows = np.arange(len(facts.failing.labels))
    close[wrong] = (
        facts.failing.log_probabilities[rows, facts.failing.predicted]
        - facts.failing.log_probabilities[rows, facts.failing.labels]
    )
    marks = np.full(n, np.nan)
    if facts.residue is not None:
        marks = carried(facts.residue, asked.images, facts.reference.images)
    code = BACKDOOR if facts.backdoor is not None else DRIFT if facts.drift is not None else WEAKNESS
    explained = wrong & (facts.backdoor is not None or facts.drift is not None or facts.weakness is not None)
    if code == BACKDOOR and facts.residue is not None:
        explained &= predicted == facts.residue.target
    return pa.table(
        {
            "id": pa.array(asked.ids.tolist(), pa.string()),
            "index": np.arange(n),
            "label": pa.array(names[asked.labels].tolist(), pa.string()),
            "predicted": pa.array(names[predicted].tolist(), pa.string()),
            "margin": pa.array(close, from_pandas=True),
            "carries_residue": pa.array(marks, from_pandas=True),
            "p_value": pa.nulls(n, pa.float64()),
            "flagged": explained,
            "code": pa.array([code if each else "" for each in explained], pa.string()),
        }
    )
