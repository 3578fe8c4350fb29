"""Which supplier is to blame."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.report import Evidence, SourceRow
from bezoar.engine.judgement import Judgement
from bezoar.learn.table_model import Encoding
from bezoar.maths.stats import enrichment, wilson

BLAMED_AT = 0.01
"""Corrected p-value below which a source is blamed ..."""
LEAST_LIFT = 2.0
"""... if its share of the rows asked about is this many times that of the other sources ..."""
LEAST_ROWS = 3
"""... and so many of them are its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Question:
    """Whether the rows asked about come from one source more than from the others.

    Parameters
    ----------
    what : the rows in words.
    asked : (n,) bool.
    among : (n,) bool, the rows that they are compared with.
    """

    what: str
    asked: NDArray[np.bool_]
    among: NDArray[np.bool_]


def blame(data: Dataset, judgement: Judgement) -> tuple[SourceRow, ...]:
    """How each source stands, the worst first.

    The exact test is asked for each kind of finding apart and for all together, and corrected for the number of
    questions: two guilty sources with different poison would otherwise excuse each other.
    """
    if data.source is None or len(np.unique(data.source)) < 2:
        return ()
    questions = list(_questions(data, judgement))
    strongest: dict[str, tuple[float, _Question]] = {}
    for question in questions:
        for share in enrichment(question.asked[question.among], data.source[question.among]):
            p = min(1.0, share.adjusted * len(questions))
            if share.source not in strongest or p < strongest[share.source][0]:
                strongest[share.source] = p, question
    rows = [
        _row(data, judgement.flagged, source, *strongest.get(source, (1.0, questions[0])))
        for source in np.unique(data.source).tolist()
    ]
    return tuple(sorted(rows, key=lambda row: (not row.blamed, row.p_value, -row.share)))


def _questions(data: Dataset, judgement: Judgement) -> Iterator[_Question]:
    """All flagged rows first; then what was flagged for one reason, and what contradicts predictions in a subgroup.

    Subgroups were chosen without a look at the sources, so the test holds whether or not they are findings.
    """
    everything, labels = np.ones(len(data), dtype=bool), judgement.labels
    yield _Question(what="rows flagged", asked=judgement.flagged, among=everything)
    if labels.flagged.any():
        yield _Question(what="rows flagged for their label", asked=labels.flagged, among=everything)
    for hypothesis in judgement.hypotheses:
        what = f"rows that carry a trigger for {data.classes[hypothesis.target]}"
        yield _Question(what=what, asked=data.mask(hypothesis.rows), among=everything)
    for pair in labels.pairs:
        what = f"rows that look like {data.classes[pair.true]} and are labelled {data.classes[pair.given]}"
        yield _Question(what=what, asked=data.mask(pair.rows), among=everything)
    for group in labels.groups:
        where = Encoding.of(data.table).where(data.table.column_names, group.conditions)
        what = f"labels that contradict sure predictions where {where}"
        yield _Question(what=what, asked=group.happened, among=group.rows)


def _row(data: Dataset, flagged: NDArray[np.bool_], source: str, p_value: float, question: _Question) -> SourceRow:
    """How a source stands, by the question that tells most against it."""
    own = np.asarray(data.source) == source
    share = wilson(int(flagged[own].sum()), int(own.sum()))
    mine, others = question.among & own, question.among & ~own
    hits = wilson(int(question.asked[mine].sum()), int(mine.sum()))
    elsewhere = float(question.asked[others].mean())
    lift = hits.value / max(elsewhere, 0.5 / int(others.sum()))
    return SourceRow(
        source=source,
        rows=int(own.sum()),
        flagged=int(flagged[own].sum()),
        share=share.value,
        low=share.low,
        high=share.high,
        p_value=p_value,
        blamed=bool(p_value < BLAMED_AT and question.asked[mine].sum() >= LEAST_ROWS and lift >= LEAST_LIFT),
        because=Evidence(
            name=question.what, value=hits.value, low=hits.low, high=hits.high, n=hits.n, control=elsewhere
        ),
    )
