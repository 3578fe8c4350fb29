"""The report of an audit, from its outcome."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Modality
from bezoar.core.report import (
    Check,
    DatasetSummary,
    Evidence,
    PowerRow,
    Report,
    RunRecord,
    SourceRow,
    Status,
    UnreadRow,
)
from bezoar.engine.findings import codes_of, exhibit, findings
from bezoar.engine.judgement import Judgement
from bezoar.engine.profiles import profile
from bezoar.engine.record import Stopwatch, hardware, versions
from bezoar.engine.settings import Asked, Settings
from bezoar.engine.sources import blame
from bezoar.learn.device import resolve
from bezoar.learn.recipe import Recipe
from bezoar.maths.stats import Floats, wilson

SHOWN = 24
"""Worst rows shown at the end of a report."""
MOST_UNREAD = 1_000
"""Unreadable rows listed by name; all of them are counted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """All that an audit concluded. ``power`` is None where no controls were run."""

    data: Dataset
    scores: dict[str, Floats]
    judgement: Judgement
    checks: tuple[Check, ...]
    power: tuple[tuple[PowerRow, ...], Evidence] | None


def summarise(outcome: Outcome, settings: Settings, watch: Stopwatch, recipe: Recipe) -> Report:
    """Put the outcome into a report."""
    data, judgement = outcome.data, outcome.judgement
    sources = blame(data, judgement)
    codes = codes_of(data, judgement)
    flagged = np.flatnonzero(judgement.flagged)
    worst = flagged[np.argsort(-judgement.score[flagged], kind="stable")][:SHOWN]
    return Report(
        dataset=_dataset(data, settings),
        checks=tuple(_sources_checked(check, sources) for check in outcome.checks),
        findings=findings(data, judgement, sources, settings.model),
        run=_record(outcome, settings, watch, recipe),
        estimated_poison=_poison(data, judgement),
        sources=sources,
        power=None if outcome.power is None else outcome.power[0],
        control_flagged=None if outcome.power is None else outcome.power[1],
        exhibits=tuple(exhibit(data, int(row), judgement, str(codes[row])) for row in worst),
        unread=tuple(UnreadRow(where=item.where, why=item.why) for item in data.unread[:MOST_UNREAD]),
        rows=_rows(outcome, codes),
    )


def _rows(outcome: Outcome, codes: NDArray[np.str_]) -> pa.Table:
    data, judgement = outcome.data, outcome.judgement
    names = np.array(data.classes)
    suggested = names[judgement.labels.suggested].astype(object)
    # No label is right for a row that was tampered with.
    suggested[judgement.backdoored] = None
    columns: dict[str, Any] = {
        "id": pa.array(data.ids.tolist(), pa.string()),
        "index": np.arange(len(data)),
        "source": pa.array([None] * len(data) if data.source is None else data.source.tolist(), pa.string()),
        "label": pa.array(names[data.labels].tolist(), pa.string()),
        "suggested_label": pa.array(suggested.tolist(), pa.string()),
        **outcome.scores,
        "score": judgement.score,
        "p_value": judgement.p_value,
        "flagged": judgement.flagged,
        "code": pa.array(codes.tolist(), pa.string()),
    }
    return pa.table(columns)


def _dataset(data: Dataset, settings: Settings) -> DatasetSummary:
    different, profiles = profile(data, settings.means.spread)
    image = data.modality is Modality.IMAGE
    return DatasetSummary(
        name=data.name,
        modality=str(data.modality),
        rows=len(data),
        shape=data.images.shape[1:] if image else (len(data.table.column_names),),
        classes=data.classes,
        class_counts=tuple(np.bincount(data.labels, minlength=len(data.classes)).tolist()),
        merkle_root=data.merkle_root,
        sources=0 if data.source is None else len(np.unique(data.source)),
        columns=() if image else tuple(data.table.column_names),
        unread=len(data.unread),
        different=different,
        profiles=profiles,
    )


def _poison(data: Dataset, judgement: Judgement) -> Evidence:
    """Rows with a trigger, counted, plus wrong labels, estimated from all their p-values."""
    carried = int(judgement.backdoored.sum())
    triggers, labels = wilson(carried, len(data)), judgement.labels.share
    rest = 1 - carried / len(data)
    flagged = float(judgement.flagged.mean())
    return Evidence(
        name="estimated share of poisoned rows",
        value=max(flagged, triggers.value + rest * labels.value),
        low=(triggers.low if carried else 0.0) + rest * labels.low,
        high=max(flagged, (triggers.high if carried else 0.0) + rest * labels.high),
        n=len(data),
        note="rows with a trigger counted, wrong labels estimated from the spread of all p-values",
    )


def _record(outcome: Outcome, settings: Settings, watch: Stopwatch, recipe: Recipe) -> RunRecord:
    asked, digests = settings.asked or _called(settings), {"data": outcome.data.merkle_root}
    if settings.trusted is not None:
        digests["trusted"] = settings.trusted.merkle_root
    trained = dataclasses.asdict(recipe) if outcome.data.modality is Modality.IMAGE else {"model": "boosted trees"}
    given = dict(asked.given) if settings.recipe is None else {**asked.given, "recipe": trained}
    return RunRecord(
        command=asked.command,
        arguments=given,
        defaults={**asked.defaults, **({"recipe": trained} if settings.recipe is None else {})},
        seed=settings.seed,
        started=watch.started.isoformat(timespec="seconds"),
        seconds=watch.seconds,
        stages=watch.stages,
        cpu_seconds={name: spent.cpu_seconds for name, spent in watch.spent.items()},
        peak_bytes={name: spent.peak_bytes for name, spent in watch.spent.items()},
        versions=versions(),
        hardware=hardware(resolve(settings.device)),
        digests=digests,
        trusted=settings.trusted is not None,
        notes=outcome.data.notes,
    )


def _called(settings: Settings) -> Asked:
    """What a program asked for. A function cannot know what was spelled out: what differs from the usual was given."""
    values: dict[str, Any] = {
        "seed": settings.seed,
        "detectors": None if settings.detectors is None else list(settings.detectors),
        "controls": settings.controls,
        "device": settings.device,
        "trusted": None if settings.trusted is None else settings.trusted.name,
        "model": None if settings.model is None else type(settings.model).__name__,
    }
    usual = {"seed": 0, "detectors": None, "controls": True, "device": "auto", "trusted": None, "model": None}
    return Asked(
        command="bezoar.audit_data",
        given={name: value for name, value in values.items() if value != usual[name]},
        defaults={name: value for name, value in values.items() if value == usual[name]},
    )


def _sources_checked(check: Check, sources: tuple[SourceRow, ...]) -> Check:
    if check.name == "sources" and any(row.blamed for row in sources):
        return dataclasses.replace(check, status=Status.FOUND)
    return check
