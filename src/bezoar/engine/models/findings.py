"""The finding of a backdoored model, with its evidence and pictures."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bezoar.core.attack import Trigger
from bezoar.core.codes import CODES
from bezoar.core.report import Certainty, Check, Evidence, Finding, Picture, Severity, Status
from bezoar.engine.models.attribution import Attribution, attributed
from bezoar.engine.models.inspecting import Inspections
from bezoar.engine.models.nulls import Null
from bezoar.engine.models.opening import Opened
from bezoar.engine.pictures import picture
from bezoar.learn.modelfiles import Scan, Verdict
from bezoar.learn.white_box import WhiteBox
from bezoar.maths.stats import Interval

if TYPE_CHECKING:
    from bezoar.engine.models.audit import Called

SHOWN = 3
"""Inputs that are shown before and after."""


def backdoor(
    opened: Opened,
    called: "Called",
    found: Inspections,
    held_out: NDArray[np.uint8],
    classes: tuple[str, ...],
    null: Null | None,
) -> Finding:
    """BZ201: a class that stands out, the trigger that was recovered for it, and what it does."""
    name, page, tried = classes[called.target], CODES["BZ201"], called.trial
    evidence = [
        Evidence(
            name="clean models with a class that stands out as much",
            value=float(called.held.p_values[called.target]),
            unit="p",
            n=None if null is None else null.models,
            note=f"by the tail fitted to them {float(called.held.tail[called.target]):.1g}",
        ),
        Evidence(
            name="by how much the class stands out",
            value=called.deviations,
            unit="deviations",
            note="standard deviations of clean models",
        ),
    ]
    if tried is not None:
        evidence += [
            _rate(f"held-out inputs that the recovered trigger turns to {name}", tried.target, tried.other.value),
            _rate("the same change dealt out anew among the pixels (sham)", tried.sham),
        ]
    evidence += [
        Evidence(
            name=f"score of {detector}",
            value=float(each.scores[called.target]),
            unit="score",
            control=float(np.median(each.scores)),
            note="on a scale of its own; control: the median of all classes",
        )
        for detector, each in found.by_detector.items()
    ]
    trigger = found.by_detector[called.detector].triggers[called.target] if called.detector else None
    why = Attribution() if trigger is None else _why(trigger, held_out, called, opened, name)
    return Finding(
        code=page.code,
        title=page.title,
        severity=Severity.CRITICAL if called.confirmed else Severity.HIGH,
        certainty=Certainty.CONFIRMED if called.confirmed else Certainty.SUSPICIOUS,
        subject=f"class {name}",
        summary=_summary(opened, called, name),
        remedy=page.remedy,
        evidence=(*evidence, *why.evidence),
        pictures=() if trigger is None else (*_pictures(trigger, held_out, called, opened, name), *why.pictures),
        references=page.framework(),
    )


def scanned(scan: Scan) -> tuple[Finding, ...]:
    """A finding for each kind of reason why a model file is not safe."""
    found = []
    for code in sorted({reason.code for reason in scan.reasons}):
        reasons = [reason for reason in scan.reasons if reason.code == code]
        page, first = CODES[code], reasons[0]
        more = f" {len(reasons) - 1} more like it." if len(reasons) > 1 else ""
        where = f" ({first.where})" if first.where else ""
        found.append(
            Finding(
                code=code,
                title=page.title,
                severity=first.severity,
                certainty=Certainty.CONFIRMED,
                subject=scan.path,
                summary=f"{first.what}{where}{more}",
                remedy=page.remedy,
                references=page.framework(),
            )
        )
    return tuple(found)


def checked(scan: Scan) -> Check:
    """Whether the file is safe to open. What could not be followed is no pass."""
    status = {Verdict.SAFE: Status.CLEAN, Verdict.UNSAFE: Status.FOUND, Verdict.NOT_ANALYSED: Status.FAILED}
    codes = ("BZ601", "BZ602", "BZ603", "BZ604", "BZ605", "BZ606")
    detail = f"Read as {scan.format}; nothing in it was run."
    return Check(name="model file safe to open", status=status[scan.verdict], detail=detail, codes=codes)


def _summary(opened: Opened, called: "Called", name: str) -> str:
    if called.trial is None:
        return f"Class {name} of {opened.name} stands out from its others more than in clean models; no trigger was recovered."
    share = called.trial.target.value
    found = f"A trigger recovered by {called.detector} turns {share:.0%} of held-out inputs to {name}"
    if called.confirmed:
        return f"{found}, and the class stands out from those of clean models. No training data were needed to find it."
    return f"{found}, which stands out more than in clean models but is no experiment that settles it."


def _why(trigger: Trigger, held_out: NDArray[np.uint8], called: "Called", opened: Opened, name: str) -> Attribution:
    """Stamped inputs against the same as they were; of a black box nothing is known."""
    if not isinstance(opened.box, WhiteBox):
        return Attribution()
    others = held_out[opened.box.predict(held_out).argmax(axis=1) != called.target]
    return attributed(opened.box, trigger(others), others, called.target, name)


def _pictures(
    trigger: Trigger, held_out: NDArray[np.uint8], called: "Called", opened: Opened, name: str
) -> tuple[Picture, ...]:
    """Inputs of other classes before and after, and the change itself around middle grey, five times as strong."""
    others = held_out[opened.box.predict(held_out).argmax(axis=1) != called.target][:SHOWN]
    stamped = trigger(others)
    change = (stamped.astype(np.float32) - others).mean(axis=0)
    shown = [picture(np.clip(128 + 5 * change, 0, 255).astype(np.uint8), "mean change, 5 times as strong, on grey")]
    for before, after in zip(others, stamped, strict=True):
        shown += [picture(before, "a clean input"), picture(after, f"with the recovered trigger: {name}")]
    return tuple(shown)


def _rate(name: str, share: Interval, control: float | None = None) -> Evidence:
    return Evidence(name=name, value=share.value, low=share.low, high=share.high, n=share.n, control=control)
