"""A repaired copy of a model file, with a record of what the repair took and what it cost."""

import dataclasses
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from bezoar.core.attack import Trigger
from bezoar.core.data import Dataset, Modality
from bezoar.core.detector import Suspect, Unit
from bezoar.core.errors import InputError
from bezoar.core.files import write_bytes, write_text
from bezoar.core.mitigation import Mitigation, Subject, Suspicion
from bezoar.core.registry import detectors_of
from bezoar.core.report import Report
from bezoar.engine.models.inspecting import inspect
from bezoar.engine.models.opening import Opened, aligned, open_model
from bezoar.engine.models.trial import trial
from bezoar.engine.repair import suspicion_of
from bezoar.learn import saved
from bezoar.learn.apart import SECONDS, rehearse
from bezoar.learn.device import resolve
from bezoar.learn.modelfiles import Scan, Verdict, scan
from bezoar.learn.own_model import open_network
from bezoar.learn.white_box import WhiteBox, untapped
from bezoar.maths.stats import wilson

HELD_OUT = 0.2
"""Share of the clean inputs that no repair sees: it is measured on them."""
SEARCHED = 60
"""Clean inputs that triggers are recovered with."""
FILE = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suspected:
    """A model under repair, what is suspected of it, and inputs to measure on.

    Parameters
    ----------
    subject : the model, clean inputs to repair with, triggers that were recovered.
    held_out : other clean inputs.
    """

    subject: Subject
    held_out: Dataset


def advised(report: Report | None) -> str:
    """Name of the repair that takes most and costs least with what is known: unlearning needs a class that is called."""
    called = report is not None and report.kind == "model" and any(each.code == "BZ201" for each in report.findings)
    return "unlearning" if called else "relearning"


def repair_model(
    path: Path,
    data: Dataset,
    mitigation: Mitigation,
    *,
    name: str,
    out: Path,
    report: Report | None = None,
    code: str | None = None,
    time_limit: float = SECONDS,
    device: str = "auto",
    seed: int = 0,
) -> dict[str, Any]:
    """Write a repaired copy to `out` and ``repair.json`` last; the file that came stays as it is.

    Parameters
    ----------
    path : a network that Bezoar saved; or weights, with `code`.
    data : clean labelled inputs of its kind, a fifth of which is held out and measured on.
    report : of an audit of this very model: triggers of the classes that it calls are recovered again and used. Or of
        `data`, where the repair unlearns rows that an audit flagged.
    code : "package.module:attribute" of the ``torch.nn.Module`` whose weights the file holds. It is run, and the repaired
        weights fit it as those that came did.
    time_limit : seconds that such a network may take for a batch.

    Returns
    -------
    The record: digests, accuracy, and for each class that the report calls what the best recovered trigger does to held-out
    inputs, before and after, with intervals.

    Raises
    ------
    InputError
        The file is not safe, or neither Bezoar's own nor named by its code; it does not fit the inputs, or the report is about
        something else.
    ModelError
        The network of `code` hangs or crashes.
    """
    if data.modality is not Modality.IMAGE:
        raise InputError(f"{data.name}: holds {data.modality} rows. Models of images can be repaired.")
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    (found,) = scan(path)
    if found.verdict is Verdict.UNSAFE:
        raise InputError(f"{path}: is not safe to open. `bezoar scan` says why.")
    opened, box = _opened(path, found, data, code, time_limit, resolve(device))
    clean = aligned(data, opened.classes, opened.name)
    case = _suspected(opened, box, clean, report, np.random.default_rng(seed))
    repaired = mitigation.apply(case.subject).model
    if not isinstance(repaired, WhiteBox):
        raise InputError(f"{name}: gave back no open network.")
    if opened.trained is None:
        write_bytes(out / FILE, safetensors.torch.save(_weights(repaired)))
    else:
        saved.save(out / FILE, dataclasses.replace(opened.trained, network=repaired.network), opened.classes)
    (written,) = scan(out / FILE)
    record = {
        "repair": name,
        "sha256_before": opened.sha256,
        "sha256_after": written.sha256,
        "repaired_with": len(case.subject.data),
        "accuracy": _both(_right, box, repaired, case.held_out),
        "triggers": {
            opened.classes[target]: _both(_turned, box, repaired, (triggers[0], target, case.held_out))
            for target, triggers in case.subject.triggers.items()
        },
    }
    write_text(out / "repair.json", json.dumps(record, indent=2) + "\n")
    return record


def _opened(
    path: Path, found: Scan, data: Dataset, code: str | None, seconds: float, device: torch.device
) -> tuple[Opened, WhiteBox]:
    if code is not None:
        opener = partial(open_network, code, path)
        rehearse(opener, data.images[:SEARCHED], classes=len(data.classes), name=path.name, seconds=seconds)
    opened = open_model(path, found, data, code=code, device=device, seconds=seconds)
    if not isinstance(opened.box, WhiteBox):
        raise InputError(f"{path}: only predicts, and what cannot be looked into cannot be repaired.")
    return opened, opened.box


def _weights(box: WhiteBox) -> dict[str, torch.Tensor]:
    """The weights of somebody's network, by the names that it gives them, each with memory of its own."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in untapped(box).state_dict().items()}


def _suspected(
    opened: Opened, box: WhiteBox, clean: Dataset, report: Report | None, rng: np.random.Generator
) -> Suspected:
    suspicion = None if report is None or report.kind == "model" else suspicion_of(clean, report)
    rows = np.arange(len(clean)) if suspicion is None else np.flatnonzero(~suspicion.flagged)
    held_out = rng.permutation(rows)[: round(HELD_OUT * len(rows))]
    kept = np.setdiff1d(np.arange(len(clean)), held_out)
    part = clean.take(kept)
    triggers = {} if report is None or report.kind != "model" else _triggers(opened, box, part, report, rng)
    left = suspicion and Suspicion(
        flagged=suspicion.flagged[kept], code=suspicion.code[kept], suggested=suspicion.suggested[kept]
    )
    subject = Subject(data=part, suspicion=left, model=box, triggers=triggers)
    return Suspected(subject=subject, held_out=clean.take(np.sort(held_out)))


def _triggers(
    opened: Opened, box: WhiteBox, clean: Dataset, report: Report, rng: np.random.Generator
) -> dict[int, tuple[Trigger, ...]]:
    """For each class that the report calls, all triggers that are recovered for it, first what turns most inputs to it."""
    if report.model is None or report.model.sha256 != opened.sha256:
        raise InputError(f"{opened.name}: the report is about another model. Audit this one, or leave the report out.")
    called = np.flatnonzero(report.rows["flagged"].to_numpy(zero_copy_only=False)).tolist()
    if not called:
        return {}
    looked, tried = rng.spawn(2)
    right = np.flatnonzero(box.predict(clean.images).argmax(axis=1) == clean.labels)
    searched, rest = np.split(rng.permutation(right), [min(SEARCHED, len(right) // 2)])
    suspect = Suspect(model=box, clean=clean.images[searched], labels=clean.labels[searched], targets=tuple(called))
    detectors = tuple(name for name in report.rows.column_names if name in detectors_of(Unit.MODEL))
    found = inspect(suspect, detectors, looked, lambda share: None)
    ranked = {}
    for target in called:
        triggers = list(found.triggers(target).values())
        does = [trial(box, each, target, clean.images[rest], tried).target.value for each in triggers]
        if triggers:
            ranked[target] = tuple(triggers[index] for index in np.argsort(-np.array(does), kind="stable"))
    return ranked


def _right(box: WhiteBox, held_out: Dataset) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = box.predict(held_out.images).argmax(axis=1) == held_out.labels
    return right


def _turned(box: WhiteBox, case: tuple[Trigger, int, Dataset]) -> NDArray[np.bool_]:
    """Which inputs of other classes carry a trigger to its target."""
    trigger, target, held_out = case
    turned: NDArray[np.bool_] = (
        box.predict(trigger(held_out.images[held_out.labels != target])).argmax(axis=1) == target
    )
    return turned


def _both(counted: Any, before: WhiteBox, after: WhiteBox, case: Any) -> dict[str, dict[str, float]]:
    """A share before and after a repair, with 95 % intervals."""
    shares = {"before": counted(before, case), "after": counted(after, case)}
    return {when: dataclasses.asdict(wilson(int(hits.sum()), len(hits))) for when, hits in shares.items()}
