"""Taking rows out of use without losing them."""

import dataclasses

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.mitigation import Subject


def put_aside(subject: Subject, rows: NDArray[np.bool_]) -> Subject:
    """The subject with these rows moved to `set_aside`, each with its reason, after those that are there already.

    Parameters
    ----------
    subject : one with a suspicion, which gives the reasons. It stays as it is.
    rows : (n,) bool.

    Returns
    -------
    The rows that are left, without the suspicion.
    """
    if not rows.any():
        return dataclasses.replace(subject, suspicion=None)
    data, suspicion = subject.data, subject.suspected()
    reasons = []
    for row in np.flatnonzero(rows):
        believed = int(suspicion.suggested[row])
        label = data.classes[data.labels[row]]
        better = f", looks like {data.classes[believed]}" if believed not in (-1, data.labels[row]) else ""
        reasons.append(f"{suspicion.code[row]}: labelled {label}{better}")
    moved = data.take(rows)
    return dataclasses.replace(
        subject,
        data=data.take(~rows),
        suspicion=None,
        set_aside=moved if subject.set_aside is None else _joined(subject.set_aside, moved),
        reasons=(*subject.reasons, *reasons),
    )


def _joined(first: Dataset, second: Dataset) -> Dataset:
    """The rows of both, in that order."""
    if isinstance(first.inputs, np.ndarray):
        inputs = np.concatenate([first.inputs, second.inputs])
    elif isinstance(first.inputs, pa.Table):
        inputs = pa.concat_tables([first.inputs, second.inputs])
    else:
        inputs = pa.concat_arrays([first.inputs, second.inputs])
    source = None
    if first.source is not None and second.source is not None:
        source = np.concatenate([first.source, second.source])
    return dataclasses.replace(
        first,
        inputs=inputs,
        labels=np.concatenate([first.labels, second.labels]),
        ids=np.concatenate([first.ids, second.ids]),
        source=source,
    )
