"""What every report on a model says of its run and its inputs, and the report where that is all there is to say."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bezoar.core.data import Dataset
from bezoar.core.report import Check, DatasetSummary, Evidence, ModelSummary, Report, RunRecord, Status, UnreadRow
from bezoar.engine.models.findings import checked, scanned
from bezoar.engine.record import hardware, versions
from bezoar.learn.device import resolve
from bezoar.learn.modelfiles import Scan

if TYPE_CHECKING:
    from bezoar.engine.models.audit import ModelSettings


def unopened(model: Path, found: Scan, data: Dataset, settings: "ModelSettings", why: str) -> Report:
    """The report on a model that was not examined: what the scanner found, and why there is nothing else."""
    nothing = Check(name="backdoor in the model", status=Status.FAILED, detail=why, codes=("BZ201",))
    return Report(
        kind="model",
        dataset=inputs_of(data),
        model=ModelSummary(
            name=model.name,
            form=found.format,
            sha256=found.sha256,
            architecture="not examined",
            parameters=0,
            accuracy=Evidence(name="clean inputs that the model gets right", value=0.0, n=0),
        ),
        checks=(checked(found), nothing),
        findings=scanned(found),
        run=record(settings, found.sha256, data),
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


def record(settings: "ModelSettings", sha256: str, clean: Dataset) -> RunRecord:
    """How the audit of a model, of this digest, was run."""
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


def inputs_of(clean: Dataset) -> DatasetSummary:
    """The clean inputs in numbers."""
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
