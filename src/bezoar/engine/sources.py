"""Which supplier is to blame."""

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.report import SourceRow
from bezoar.engine.judgement import Judgement
from bezoar.maths.stats import enrichment

BLAMED_AT = 0.01
"""Corrected p-value below which a source is blamed ..."""
LEAST_LIFT = 2.0
"""... if its share of flagged rows is this many times that of the other sources ..."""
LEAST_ROWS = 3
"""... and so many of its rows are flagged."""


def blame(data: Dataset, judgement: Judgement) -> tuple[SourceRow, ...]:
    """How each source stands, the worst first.

    The exact test is asked for each kind of finding apart and for all together, and corrected for the number of
    questions: two guilty sources with different poison would otherwise excuse each other.
    """
    if data.source is None or len(np.unique(data.source)) < 2:
        return ()
    flagged = judgement.flagged
    questions = [flagged, judgement.labels.flagged, *(data.mask(h.rows) for h in judgement.hypotheses)]
    questions += [data.mask(pair.rows) for pair in judgement.labels.pairs]
    asked = [question for question in questions if question.any()] or [flagged]
    p_values: dict[str, float] = {}
    for question in asked:
        for share in enrichment(question, data.source):
            p_values[share.source] = min(p_values.get(share.source, 1.0), min(1.0, share.adjusted * len(asked)))
    rows = []
    for share in enrichment(flagged, data.source):
        p = p_values[share.source]
        guilty = p < BLAMED_AT and share.flagged >= LEAST_ROWS and _lift(data, asked, share.source) >= LEAST_LIFT
        rows.append(
            SourceRow(
                source=share.source,
                rows=share.rows,
                flagged=share.flagged,
                share=share.share.value,
                low=share.share.low,
                high=share.share.high,
                p_value=p,
                blamed=bool(guilty),
            )
        )
    return tuple(sorted(rows, key=lambda row: (not row.blamed, row.p_value, -row.share)))


def _lift(data: Dataset, questions: list[NDArray[np.bool_]], source: str) -> float:
    """The largest ratio, over the questions, of the source's share to that of the others."""
    own = np.asarray(data.source) == source
    ratios = [
        question[own].mean() / max(question[~own].mean(), 0.5 / max(1, int((~own).sum()))) for question in questions
    ]
    return float(max(ratios))
