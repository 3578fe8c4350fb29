"""Relabel: give flagged rows the label that the audit believes."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bezoar.core.mitigation import Subject
from bezoar.mitigations.data.aside import put_aside


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel:
    """Change the labels of flagged rows to the suggested ones; set aside those for which no label is believed.

    Saves rows whose only fault is the label. A row that was tampered with should go whatever its label: the audit
    suggests -1 for it.

    Known limits: a wrong suggestion is a new wrong label.

    References
    ----------
    Northcutt, Athalye and Mueller, "Pervasive label errors in test sets destabilize machine learning benchmarks",
    NeurIPS Datasets and Benchmarks 2021, section 5 (corrected labels).
    """

    surface: ClassVar[str] = "data"

    def apply(self, subject: Subject) -> Subject:
        """The relabelled subject, its hopeless rows in `set_aside`. Raises ``InputError`` where no suspicion was stated."""
        suspicion = subject.suspected()
        labels = subject.data.labels
        better = (suspicion.suggested >= 0) & (suspicion.suggested != labels)
        relabelled = np.flatnonzero(suspicion.flagged & better)
        mended = subject.data.with_labels(relabelled, suspicion.suggested[relabelled])
        return put_aside(dataclasses.replace(subject, data=mended), suspicion.flagged & ~better)
