"""One trace, one judgement: backdoors first, then the labels of the rows that no backdoor explains."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from bezoar.core.data import Dataset, Modality
from bezoar.engine.backdoor import Hypothesis, search
from bezoar.engine.labels import Labels, judge_labels
from bezoar.learn.fitted import CrossFit
from bezoar.maths.stats import Floats, conformal_p


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """What the rows are flagged for.

    Parameters
    ----------
    hypotheses : backdoors that survived both interventions.
    labels : which labels are wrong.
    contradicting : (n,) bool, images whose equal twin carries another label.
    copies : (n,) how many rows show exactly this image, itself included; 1 for tables, whose equal rows are often honest.
    score : (n,) for ranking all rows: those of a backdoor first, then by how likely the label is wrong.
    p_value : (n,) the smaller of the row's two p-values, times two.
    """

    hypotheses: tuple[Hypothesis, ...]
    labels: Labels
    contradicting: NDArray[np.bool_]
    copies: NDArray[np.int64]
    score: Floats
    p_value: Floats

    @property
    def backdoored(self) -> NDArray[np.bool_]:
        """(n,) rows that carry a trigger."""
        return carried(self.hypotheses, len(self.score))

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """(n,) all rows that should not be trained on as they are."""
        return self.backdoored | self.labels.flagged | self.contradicting


def judge(
    fit: CrossFit, scores: Mapping[str, Floats], rng: np.random.Generator, *, trusted: Dataset | None = None
) -> Judgement:
    """Judge every row of a traced set."""
    hypotheses = tuple(search(fit, scores, rng)) if fit.trace.data.modality is Modality.IMAGE else ()
    return conclude(fit, scores, hypotheses, trusted=trusted)


def conclude(
    fit: CrossFit,
    scores: Mapping[str, Floats],
    hypotheses: tuple[Hypothesis, ...],
    *,
    trusted: Dataset | None = None,
) -> Judgement:
    """The judgement that follows where these backdoors are the ones there are."""
    data = fit.trace.data
    backdoored = carried(hypotheses, len(data))
    labels = judge_labels(fit, scores, backdoored, trusted)
    backdoor_p = np.ones(len(data))
    top = float(norm.ppf(1 - 0.5 / len(data)))
    score = labels.score.copy()
    for hypothesis in hypotheses:
        rows = data.rows_of(hypothesis.target)
        null = hypothesis.scores[data.rows_not_of(hypothesis.target)]
        backdoor_p[rows] = np.minimum(backdoor_p[rows], conformal_p(hypothesis.scores[rows], null))
        # Above every label error, and among themselves by the matched filter.
        strength = hypothesis.scores[hypothesis.rows]
        score[hypothesis.rows] = labels.score.max() + top + strength / max(float(np.abs(strength).max()), 1e-12)
    contradicting, copies = _twins(data)
    return Judgement(
        hypotheses=hypotheses,
        labels=labels,
        contradicting=contradicting,
        copies=copies,
        score=score,
        p_value=np.minimum(1.0, 2 * np.minimum(backdoor_p, labels.p_value)),
    )


def carried(hypotheses: tuple[Hypothesis, ...], n: int) -> NDArray[np.bool_]:
    """(n,) rows that any of these backdoors claims."""
    rows = np.zeros(n, dtype=bool)
    for hypothesis in hypotheses:
        rows[hypothesis.rows] = True
    return rows


def _twins(data: Dataset) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(n,) whether an equal image carries another label, and (n,) how many equal images there are."""
    if data.modality is not Modality.IMAGE:
        return np.zeros(len(data), dtype=bool), np.ones(len(data), dtype=np.int64)
    labels: dict[bytes, list[int]] = {}
    for key, label in zip(data.input_hashes, data.labels.tolist(), strict=True):
        labels.setdefault(key, []).append(label)
    twins = [labels[key] for key in data.input_hashes]
    return np.array([len(set(each)) > 1 for each in twins]), np.array([len(each) for each in twins], dtype=np.int64)
