"""What the evidence comes to: a finding for each explanation that holds, and a check for each that was asked."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bezoar.core.codes import CODES
from bezoar.core.data import Dataset
from bezoar.core.report import Certainty, Check, Evidence, Exhibit, Finding, Picture, Severity, Status
from bezoar.engine.models.attribution import Attribution
from bezoar.engine.pictures import picture, trigger_pictures
from bezoar.engine.triage.confusion import Confusion
from bezoar.engine.triage.drift import LARGE, Shift
from bezoar.engine.triage.influence import Influence
from bezoar.engine.triage.inputs import Failing, Reference
from bezoar.engine.triage.residue import Residue
from bezoar.maths.stats import Interval

BACKDOOR, DRIFT, WEAKNESS = "BZ202", "BZ203", "BZ204"
SUGGESTS = 0.3
"""Share of reference inputs that a residue must turn for a backdoor to be suspected."""
SHOWN = 3
"""Inputs that are shown of each kind."""
TEACHERS = 12
"""Training rows that are shown at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """Everything that was measured.

    Parameters
    ----------
    classes : names.
    failing, reference : the inputs.
    residues, shifts : the strongest first.
    confusion : how failing inputs are confused.
    recovered : what the audit of the model itself found (BZ201), and its check.
    attribution : which pixels and channels lead failing inputs to the class that most are taken for.
    influence : what training rows did, where there are any.
    train : the training rows.
    """

    classes: tuple[str, ...]
    failing: Failing
    reference: Reference
    residues: tuple[Residue, ...]
    shifts: tuple[Shift, ...]
    confusion: Confusion
    recovered: tuple[tuple[Finding, ...], Check]
    attribution: Attribution
    influence: Influence | None
    train: Dataset | None

    @property
    def residue(self) -> Residue | None:
        """The one that says most."""
        return self.residues[0] if self.residues else None

    @property
    def backdoor(self) -> Certainty | None:
        """How sure it is that failing inputs carry a trigger; None where nothing speaks for it."""
        residue = self.residue
        if residue is None:
            return None
        if residue.works:
            return Certainty.CONFIRMED
        return Certainty.SUSPICIOUS if residue.shaped and residue.trial.target.value >= SUGGESTS else None

    @property
    def drifted(self) -> tuple[Shift, ...]:
        """The differences that break reference inputs, and those that are large where none does."""
        breaking = tuple(shift for shift in self.shifts if shift.breaks)
        return breaking or tuple(shift for shift in self.shifts if shift.effect.size >= LARGE)

    @property
    def drift(self) -> Certainty | None:
        """How sure it is that failing inputs are of another kind. A trigger is a difference as well: it goes before."""
        if not self.drifted or (self.backdoor is not None and not self.drifted[0].breaks):
            return None
        return Certainty.CONFIRMED if self.drifted[0].breaks else Certainty.SUSPICIOUS

    @property
    def weakness(self) -> Certainty | None:
        """How sure it is that the mistakes are the model's own; it cannot be confirmed, only left over."""
        close = self.confusion.close.low > self.confusion.by_chance
        return Certainty.SUSPICIOUS if close and self.backdoor is None and self.drift is None else None


def findings(facts: Facts) -> tuple[Finding, ...]:
    """The explanations that hold."""
    found = []
    if facts.backdoor is not None and facts.residue is not None:
        found.append(_backdoor(facts, facts.residue, facts.backdoor))
    if facts.drift is not None:
        found.append(_drift(facts, facts.drift))
    if facts.weakness is not None:
        found.append(_weakness(facts, facts.weakness))
    # What the audit of the model confirmed needs no failing input to be true.
    return (*found, *(each for each in facts.recovered[0] if each.certainty is Certainty.CONFIRMED))


def checks(facts: Facts) -> tuple[Check, ...]:
    """Each question that was asked and how it ended."""
    asked = (
        ("failing inputs carry a trigger", facts.backdoor, BACKDOOR),
        ("failing inputs are of another kind", facts.drift, DRIFT),
        ("the model was always close to these mistakes", facts.weakness, WEAKNESS),
    )
    told = [
        Check(name=name, status=Status.CLEAN if sure is None else Status.FOUND, codes=(code,))
        for name, sure, code in asked
    ]
    if facts.residue is None:
        told[0] = Check(
            name=asked[0][0],
            status=Status.NOT_APPLICABLE,
            detail="Too few of the failing inputs are taken for one class to show anything in common.",
            codes=(BACKDOOR,),
        )
    return tuple(told)


def _backdoor(facts: Facts, residue: Residue, certainty: Certainty) -> Finding:
    name = facts.classes[residue.target]
    turned = residue.trial.target.value
    summary = (
        f"What failing inputs that are taken for {name} have in common turns {turned:.0%} of reference inputs to {name}"
    )
    summary += " as well: it is a trigger." if certainty is Certainty.CONFIRMED else ", more than chance and a sham do."
    own = facts.failing.only(facts.failing.predicted == residue.target)
    pictures = (
        *trigger_pictures(residue.stamp, facts.reference.images[facts.reference.labels != residue.target][:1], name),
        *_some(own, "a failing input"),
        *facts.attribution.pictures,
    )
    return _finding(
        BACKDOOR,
        facts,
        severity=Severity.CRITICAL if certainty is Certainty.CONFIRMED else Severity.HIGH,
        certainty=certainty,
        subject=f"class {name}",
        summary=summary,
        rows=int((facts.failing.predicted == residue.target).sum()),
        pictures=pictures,
    )


def _drift(facts: Facts, certainty: Certainty) -> Finding:
    first = facts.drifted[0]
    way = "higher" if first.effect.value > 0 else "lower"
    summary = f"The failing inputs have {way} {first.name} by {first.effect.size:.1f} standard deviations"
    if first.breaks:
        summary += (
            f", and reference inputs that are changed so fail too: {first.after.value:.0%} right instead of "
            f"{first.before.value:.0%}."
        )
    else:
        summary += ", but changing reference inputs so does not make them fail: this may not be why."
    return _finding(
        DRIFT,
        facts,
        severity=Severity.MEDIUM,
        certainty=certainty,
        subject=", ".join(shift.name for shift in facts.drifted),
        summary=summary,
        rows=len(facts.failing.labels),
        pictures=(*_some(facts.failing, "a failing input"), *_changed(facts, first)),
    )


def _weakness(facts: Facts, certainty: Certainty) -> Finding:
    close = facts.confusion.close.value
    return _finding(
        WEAKNESS,
        facts,
        severity=Severity.LOW,
        certainty=certainty,
        subject="the model",
        summary=(
            f"The true class is the second guess for {close:.0%} of the failing inputs, and neither a common mark nor another "
            "kind of picture explains them: they are hard inputs of the kind that the model knows."
        ),
        rows=len(facts.failing.labels),
        pictures=_some(facts.failing, "a failing input"),
    )


def _finding(
    code: str,
    facts: Facts,
    *,
    severity: Severity,
    certainty: Certainty,
    subject: str,
    summary: str,
    rows: int,
    pictures: Sequence[Picture],
) -> Finding:
    """With the evidence for every side, so that a reader can disagree."""
    page = CODES[code]
    return Finding(
        code=code,
        title=page.title,
        severity=severity,
        certainty=certainty,
        subject=subject,
        summary=summary,
        rows=rows,
        remedy=page.remedy,
        evidence=evidence(facts),
        pictures=tuple(pictures),
        exhibits=_teachers(facts) if code == BACKDOOR else (),
        references=page.framework(),
    )


def evidence(facts: Facts) -> tuple[Evidence, ...]:
    """For and against each explanation."""
    told: list[Evidence] = []
    if (residue := facts.residue) is not None:
        name, effect = facts.classes[residue.target], residue.trial
        told += [
            _share(
                f"trigger: reference inputs that the common {residue.form} turns to {name}", effect.target, effect.other
            ),
            _share("trigger: the same change dealt out anew among the pixels (sham)", effect.sham),
        ]
        told += [
            _share(
                f"trigger: those that the failing inputs' brightness and contrast alone turn to {name}",
                residue.contrast,
            ),
            _share(f"trigger: those that its shape alone turns to {name}", residue.shape.target, residue.shape.sham),
        ]
    confusion = facts.confusion
    told.append(
        Evidence(
            name=f"trigger: failing inputs that are taken for {facts.classes[confusion.target]}",
            value=confusion.taken.value,
            low=confusion.taken.low,
            high=confusion.taken.high,
            n=confusion.taken.n,
            control=confusion.expected,
            note=f"control: what second guesses on reference inputs give; p = {confusion.p_value:.1g}",
        )
    )
    told += [dataclasses.replace(each, name=f"inside: {each.name}") for each in facts.attribution.evidence]
    for finding in facts.recovered[0]:
        told += [
            Evidence(
                name=f"trigger: {each.name}", value=each.value, unit=each.unit, low=each.low, high=each.high, n=each.n
            )
            for each in finding.evidence
            if "recovered trigger turns" in each.name
        ]
    for shift in facts.shifts:
        told.append(
            Evidence(
                name=f"drift: difference in {shift.name}",
                value=shift.effect.value,
                unit="standard deviations",
                low=shift.effect.low,
                high=shift.effect.high,
            )
        )
        if shift.change is not None:
            told.append(
                _share(f"drift: reference inputs still right with that {shift.name}", shift.after, shift.before)
            )
        if shift.mended is not None:
            told.append(_share(f"drift: failing inputs that are right with the {shift.name} taken back", shift.mended))
    told.append(
        Evidence(
            name="weakness: failing inputs whose true class is the second guess",
            value=confusion.close.value,
            low=confusion.close.low,
            high=confusion.close.high,
            n=confusion.close.n,
            control=confusion.by_chance,
            note="control: a guess among the other classes",
        )
    )
    if (influence := facts.influence) is not None:
        name = facts.classes[influence.target]
        told.append(
            _share(
                f"training rows: failing inputs that a model trained on them also takes for {name}",
                influence.reproduced,
            )
        )
        told.append(
            Evidence(
                name=f"training rows that taught it {name}, by far", value=int(influence.taught.sum()), unit="rows"
            )
        )
        told += [
            Evidence(
                name=f"training rows of {source.source} that taught it",
                value=source.share.value,
                low=source.share.low,
                high=source.share.high,
                n=source.share.n,
                note=f"p = {source.adjusted:.1g}, corrected for the number of sources",
            )
            for source in influence.sources[:SHOWN]
        ]
    return tuple(told)


def _teachers(facts: Facts) -> tuple[Exhibit, ...]:
    """The training rows that did most for the mistake."""
    influence, train = facts.influence, facts.train
    if influence is None or train is None:
        return ()
    order = np.argsort(-influence.scores, kind="stable")[:TEACHERS]
    return tuple(
        Exhibit(
            id=str(train.ids[row]),
            index=int(row),
            label=train.classes[train.labels[row]],
            source="" if train.source is None else str(train.source[row]),
            picture=picture(train.images[row], f"training row {train.ids[row]}"),
            cells={"influence": f"{influence.scores[row]:.1f}"},
        )
        for row in order.tolist()
        if influence.taught[row]
    )


def _share(name: str, share: Interval, control: Interval | None = None) -> Evidence:
    return Evidence(
        name=name,
        value=share.value,
        low=share.low,
        high=share.high,
        n=share.n,
        control=None if control is None else control.value,
    )


def _some(failing: Failing, caption: str) -> tuple[Picture, ...]:
    return tuple(picture(image, caption) for image in failing.images[:SHOWN])


def _changed(facts: Facts, shift: Shift) -> tuple[Picture, ...]:
    images: NDArray[np.uint8] = facts.reference.images[:SHOWN]
    if shift.change is None:
        return tuple(picture(image, "a reference input") for image in images)
    changed = shift.change(images)
    pairs = [
        (picture(a, "a reference input"), picture(b, f"with that {shift.name}"))
        for a, b in zip(images, changed, strict=True)
    ]
    return tuple(each for pair in pairs for each in pair)
