"""A repaired copy of an audited set, with a record of what was done."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.files import write_atomically, write_text
from bezoar.core.mitigation import Mitigation, Subject, Suspicion
from bezoar.core.report import Report
from bezoar.data import write


def suspicion_of(data: Dataset, report: Report) -> Suspicion:
    """What a report says of the rows of this very set.

    Raises
    ------
    InputError
        The report is about other rows.
    """
    if report.dataset.merkle_root != data.merkle_root:
        raise InputError(
            f"{data.name}: the report is about other rows (its Merkle root is {report.dataset.merkle_root[:12]}..., "
            f"this set's {data.merkle_root[:12]}...). Audit this set, or name its columns as the audit did."
        )
    indices = {name: index for index, name in enumerate(data.classes)}
    suggested = [indices.get(name, -1) for name in report.rows["suggested_label"].to_pylist()]
    return Suspicion(
        flagged=np.asarray(report.rows["flagged"].to_numpy(zero_copy_only=False), dtype=bool),
        code=np.array(report.rows["code"].to_pylist(), dtype=np.str_),
        suggested=np.array(suggested, dtype=np.int64),
    )


def apply(data: Dataset, report: Report, mitigation: Mitigation) -> Subject:
    """The set as repaired in memory; `data` stays as it is."""
    return mitigation.apply(Subject(data=data, suspicion=suspicion_of(data, report)))


def repair_data(data: Dataset, report: Report, mitigation: Mitigation, *, name: str, out: Path) -> dict[str, Any]:
    """Write what was taken out to `out`/quarantine with reasons, the repaired set to `out`, and ``repair.json`` last.

    Returns
    -------
    The record: what was done to how many rows, and the digests before and after.
    """
    repaired = apply(data, report, mitigation)
    # What is taken out comes first: a repaired set that is there is never without the rows it lacks.
    aside = repaired.set_aside
    if aside is not None and len(aside):
        write(aside, out / "quarantine")
        reasons = pa.table({"id": aside.ids.tolist(), "reason": list(repaired.reasons)})
        write_atomically(out / "quarantine" / "reasons.parquet", lambda stream: pa.parquet.write_table(reasons, stream))
    write(repaired.data, out)
    before = dict(zip(data.ids.tolist(), data.labels.tolist(), strict=True))
    changed = sum(before[i] != label for i, label in zip(repaired.data.ids, repaired.data.labels.tolist(), strict=True))
    record = {
        "repair": name,
        "rows_before": len(data),
        "rows_after": len(repaired.data),
        "set_aside": 0 if aside is None else len(aside),
        "dropped": len(data) - len(repaired.data) - (0 if aside is None else len(aside)),
        "relabelled": changed,
        "merkle_root_before": data.merkle_root,
        "merkle_root_after": repaired.data.merkle_root,
    }
    write_text(out / "repair.json", json.dumps(record, indent=2) + "\n")
    return record
