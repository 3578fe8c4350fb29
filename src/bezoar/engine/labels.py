"""Which labels are wrong: how rows rank, their p-values, which are flagged, and whether the errors have a system."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from bezoar.core.data import Dataset, Modality
from bezoar.core.trace import Trace
from bezoar.learn.fitted import CrossFit
from bezoar.learn.table_model import Encoding
from bezoar.maths.calibration import Calibrated, anchor_noise, anchors, calibrated, honest_null, wrong_label_odds
from bezoar.maths.noise import confident_joint, one_way_flips
from bezoar.maths.stats import Floats, Interval, benjamini_hochberg, conformal_p, poisoned_share, wilson
from bezoar.maths.subgroups import Subgroup, subgroups

FALSE_DISCOVERIES = 0.05
"""Share of the rows flagged for their label that may be honest."""
RANKED_BY = ("loss_dynamics", "ensemble_disagreement", "confident_learning")
"""Detectors whose ranks are averaged: how a row was learned, by unlike models, and against its class's confusions."""
LEAST_PAIR = 0.02
"""Share of the rows that look like one class and carry another's label, from which that is called systematic."""
INFORMED = 3.0
"""Standard errors by which models must beat the class frequencies for their doubts to mean anything."""
ROUNDING = 1e-6
"""Nats that models which repeat the class frequencies may gain on them by rounding."""
SYSTEM = 1e-3
"""A subgroup's errors are a system where chance gives so many with at most this probability ..."""
SYSTEM_LIFT = 4.0
"""... and they are this many times as frequent as in the whole set."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """Rows of one class that carry another's label, and hardly any the other way about."""

    given: int
    true: int
    rows: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """What is known of the labels.

    Parameters
    ----------
    score : (n,) for ranking, higher is more likely wrong; about standard normal.
    p_value : (n,) if all labels were honest.
    flagged : (n,) bool, at a false discovery rate of :data:`FALSE_DISCOVERIES`.
    suggested : (n,) the likeliest other label where flagged, else the row's own.
    share : estimated share of wrong labels.
    agreement : share of the flagged rows that unlike models, none of which saw the row, call mislabelled; None where
        no such models were asked.
    agreement_control : the same among the rows that were not flagged.
    pairs : classes that were turned into others.
    groups : subgroups of a table in which sure predictions are contradicted more often than in the whole set.
    judged : False where models learned nothing that holds for rows they never saw, so that no label can be doubted.
    """

    score: Floats
    p_value: Floats
    flagged: NDArray[np.bool_]
    suggested: NDArray[np.int64]
    share: Interval
    agreement: Interval | None
    agreement_control: Interval | None
    pairs: tuple[Pair, ...]
    groups: tuple[Subgroup, ...]
    judged: bool = True

    @property
    def systems(self) -> tuple[Subgroup, ...]:
        """The subgroups whose contradictions are too many and too frequent for chance."""
        return tuple(group for group in self.groups if group.p_value <= SYSTEM and group.lift >= SYSTEM_LIFT)

    @property
    def confirmed(self) -> bool:
        """Models that never saw the flagged rows agree that most are mislabelled, far more than of other rows."""
        return (
            self.agreement is not None
            and self.agreement_control is not None
            and self.agreement.low > max(0.5, self.agreement_control.high)
        )


def judge_labels(
    fit: CrossFit, scores: Mapping[str, Floats], ignore: NDArray[np.bool_], trusted: Dataset | None = None
) -> Labels:
    """Judge every label by models that never saw its row.

    Parameters
    ----------
    fit : the cross-fitted models and their trace.
    scores : (n,) row scores by detector.
    ignore : (n,) rows that are explained already, such as a backdoor's: neither flagged nor counted.
    trusted : clean rows of the same kind; they then are the null.
    """
    trace = fit.trace
    labels, n, k = trace.labels, len(trace.labels), len(trace.data.classes)
    counted = ~ignore
    seen = calibrated(trace.held_out, labels)
    rates = anchor_noise(seen.likeliest[counted], seen.sure[counted], labels[counted], k)
    odds = wrong_label_odds(seen, labels, rates)
    own = seen.of(labels)
    if not _informed(own[counted], labels[counted]):
        return _unjudged(_ranked(scores, odds), labels)
    if trusted is None:
        p = honest_null(odds, seen, rates)
    else:
        p = conformal_p(odds, _trusted_odds(fit, trusted, rates))
    groups = _groups(trace, seen, counted)
    p = np.where(ignore, 1.0, p)
    flagged = np.zeros(n, dtype=bool)
    flagged[counted] = benjamini_hochberg(p[counted], FALSE_DISCOVERIES)
    # A label that the models find likelier than any other, or no less likely, is no error of the label.
    flagged &= own < seen.of(seen.likeliest)
    suggested = np.where(flagged, seen.likeliest, labels)
    agreed = scores["ensemble_disagreement"] > 0 if "ensemble_disagreement" in scores else None
    return Labels(
        score=_ranked(scores, odds) + _group_bonus(groups, n),
        p_value=p,
        flagged=flagged,
        suggested=suggested,
        share=poisoned_share(p[counted]),
        agreement=_share(agreed, flagged),
        agreement_control=_share(agreed, counted & ~flagged),
        pairs=_pairs(trace, counted, flagged, suggested),
        groups=tuple(group for group in groups if group.lift > 1),
    )


def _informed(own: Floats, labels: NDArray[np.int64]) -> bool:
    """Whether models foretell labels that they never saw better than the class frequencies do, beyond chance.

    Where they don't, sure but worthless predictions contradict every other label. `own` are the (n,) probabilities of the
    rows' labels.
    """
    frequencies = np.bincount(labels) / max(1, len(labels))
    gain = np.log(own + 1e-12) - np.log(frequencies[labels])
    return bool(len(labels) and gain.mean() > ROUNDING + INFORMED * gain.std() / len(labels) ** 0.5)


def _unjudged(score: Floats, labels: NDArray[np.int64]) -> Labels:
    """Nothing is known of the labels: none is flagged, and any share of them may be wrong."""
    return Labels(
        score=score,
        p_value=np.ones(len(labels)),
        flagged=np.zeros(len(labels), dtype=bool),
        suggested=labels.copy(),
        share=Interval(0.0, 0.0, 1.0, len(labels)),
        agreement=None,
        agreement_control=None,
        pairs=(),
        groups=(),
        judged=False,
    )


def _trusted_odds(fit: CrossFit, trusted: Dataset, rates: Floats) -> Floats:
    """The odds of trusted rows' own labels, by models that saw none of them."""
    logs = np.mean([model.predict(trusted.inputs) for model in fit.models], axis=0)
    return wrong_label_odds(calibrated(logs, trusted.labels), trusted.labels, rates)


def _ranked(scores: Mapping[str, Floats], odds: Floats) -> Floats:
    """Mean normal score of the ranks that several views give; of the odds where none of the views was asked for."""
    views = [scores[name] for name in RANKED_BY if name in scores] or [odds]
    normal = [norm.ppf((rankdata(view) - 0.5) / len(view)) for view in views]
    return np.asarray(np.mean(normal, axis=0))


def _group_bonus(groups: tuple[Subgroup, ...], n: int) -> Floats:
    """Log of how much more often than elsewhere sure predictions are contradicted in a row's subgroup: a log prior."""
    bonus = np.zeros(n)
    for group in groups:
        bonus[group.rows] = np.log(group.lift)
    return bonus


def _share(agreed: NDArray[np.bool_] | None, rows: NDArray[np.bool_]) -> Interval | None:
    return None if agreed is None or not rows.any() else wilson(int(agreed[rows].sum()), int(rows.sum()))


def _pairs(
    trace: Trace, counted: NDArray[np.bool_], flagged: NDArray[np.bool_], suggested: NDArray[np.int64]
) -> tuple[Pair, ...]:
    """Pairs of classes confused one way only, by five flagged rows or more that are a share worth the name."""
    labels, k = trace.labels, len(trace.data.classes)
    sizes = np.bincount(labels[counted], minlength=k)
    cells, found = np.unique(labels[flagged] * k + suggested[flagged], return_counts=True)
    given, true = np.divmod(cells[found >= np.maximum(5, LEAST_PAIR * sizes[cells % k])], k)
    if not len(given):
        return ()
    # All rows are looked at where they lie: a copy of them would be large.
    rows = slice(None) if counted.all() else counted
    one_way = one_way_flips(confident_joint(trace.held_out[rows], labels[rows]), alpha=0.01)[given, true] > 0
    pairs = [
        Pair(given=int(own), true=int(other), rows=np.flatnonzero(flagged & (labels == own) & (suggested == other)))
        for own, other in zip(given[one_way], true[one_way], strict=True)
    ]
    return tuple(sorted(pairs, key=lambda pair: -len(pair.rows)))


def _groups(trace: Trace, seen: Calibrated, counted: NDArray[np.bool_]) -> tuple[Subgroup, ...]:
    """Subgroups of a table by how often sure predictions are contradicted beyond what they promise."""
    if trace.data.modality is not Modality.TABLE:
        return ()
    return subgroups(
        Encoding.of(trace.data.table).codes(trace.data.table),
        events=seen.likeliest != trace.labels,
        expected=1 - seen.sure,
        looked_at=anchors(seen.likeliest, seen.sure) & counted,
    )
