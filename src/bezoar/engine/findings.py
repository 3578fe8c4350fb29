"""Findings with their evidence, from what the audit concluded."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bezoar.core.codes import CODES
from bezoar.core.data import Dataset, Modality
from bezoar.core.model import Model
from bezoar.core.report import Certainty, Evidence, Exhibit, Finding, Picture, Severity, SourceRow
from bezoar.engine.backdoor import Hypothesis
from bezoar.engine.judgement import Judgement
from bezoar.engine.labels import Labels, Pair
from bezoar.engine.pictures import picture, trigger_pictures
from bezoar.learn.table_model import Encoding
from bezoar.maths.stats import Interval, wilson
from bezoar.maths.subgroups import Subgroup

SHOWN = 12
"""Rows shown with a finding."""
FLOOD = 5
"""Copies of one image from which they are a finding."""
MUCH, SOME = 0.02, 0.01
"""Shares of wrong labels from which a finding is severe, or worth a look."""


def findings(
    data: Dataset, judgement: Judgement, sources: tuple[SourceRow, ...], own: Model | None
) -> tuple[Finding, ...]:
    """Everything found, the worst first. `own` is the user's model, which triggers are tried on as well."""
    found = [
        *(_backdoor(data, hypothesis, judgement, own) for hypothesis in judgement.hypotheses),
        *_labels(data, judgement),
        *_copies(data, judgement),
        *_sources(sources),
    ]
    if data.unread:
        found.append(_unread(data))
    return tuple(sorted(found, key=lambda finding: (-finding.severity.rank, finding.code)))


def codes_of(data: Dataset, judgement: Judgement) -> NDArray[np.str_]:
    """(n,) the code that each flagged row is listed under, empty for the rest."""
    codes = np.full(len(data), "", dtype="<U5")
    codes[judgement.labels.flagged] = "BZ102"
    for pair in judgement.labels.pairs:
        codes[pair.rows] = "BZ103"
    codes[judgement.contradicting] = "BZ104"
    codes[judgement.backdoored] = "BZ101"
    return codes


def exhibit(data: Dataset, row: int, judgement: Judgement, code: str) -> Exhibit:
    """A row as the reader sees it."""
    suggested = int(judgement.labels.suggested[row])
    cells = {}
    if data.modality is Modality.TABLE:
        cells = {name: _cell(data.table.column(name)[row].as_py()) for name in data.table.column_names[:40]}
    label = data.classes[data.labels[row]]
    return Exhibit(
        id=str(data.ids[row]),
        index=row,
        label=label,
        suggested=data.classes[suggested] if suggested != data.labels[row] and code != "BZ101" else "",
        source="" if data.source is None else str(data.source[row]),
        p_value=float(judgement.p_value[row]),
        code=code,
        picture=picture(data.images[row], f"labelled {label}") if data.modality is Modality.IMAGE else None,
        cells=cells,
    )


def _backdoor(data: Dataset, hypothesis: Hypothesis, judgement: Judgement, own: Model | None) -> Finding:
    name = data.classes[hypothesis.target]
    before, after = hypothesis.before, hypothesis.after
    evidence = [
        _rate("stamped clean rows that turn to the target", before.target, before.other.value),
        _rate("the same mask filled with the target's own look (sham)", before.sham),
        _rate(
            "suspects that leave the target when the trigger is taken off",
            hypothesis.lifted,
            hypothesis.lifted_control.value,
        ),
    ]
    if after is not None:
        evidence.append(
            _rate(
                "stamped clean rows that turn to the target after training without the suspects",
                after.target,
                after.other.value,
            )
        )
    if own is not None:
        evidence.append(_rate("stamped clean rows that your model turns to the target", _own(data, hypothesis, own)))
    evidence.append(Evidence(name="rows found by a filter made from the other half", value=hypothesis.replication))
    clean = np.setdiff1d(data.rows_not_of(hypothesis.target), np.flatnonzero(judgement.flagged))[:3]
    by_strength = hypothesis.rows[np.argsort(-hypothesis.scores[hypothesis.rows], kind="stable")]
    return _finding(
        "BZ101",
        severity=Severity.CRITICAL if hypothesis.confirmed else Severity.HIGH,
        confirmed=hypothesis.confirmed,
        subject=f"class {name}",
        summary=(
            f"{len(hypothesis.rows):,} rows labelled {name} carry one {hypothesis.form} trigger. On clean rows of other "
            f"classes it turns {before.target.value:.0%} to {name}"
            + ("." if after is None else f"; after training without these rows, {after.target.value:.0%}.")
        ),
        rows=len(hypothesis.rows),
        evidence=tuple(evidence),
        pictures=trigger_pictures(hypothesis.stamp, data.images[clean], name),
        exhibits=tuple(exhibit(data, int(row), judgement, "BZ101") for row in by_strength[:SHOWN]),
    )


def _own(data: Dataset, hypothesis: Hypothesis, own: Model) -> Interval:
    rows = data.rows_not_of(hypothesis.target)[:400]
    usable = data.images[rows][own.predict(data.images[rows]).argmax(axis=1) != hypothesis.target]
    if not len(usable):
        return Interval(0.0, 0.0, 1.0, 0)
    turned = own.predict(hypothesis.stamp(usable)).argmax(axis=1) == hypothesis.target
    return wilson(int(turned.sum()), len(usable))


def _labels(data: Dataset, judgement: Judgement) -> Iterator[Finding]:
    labels = judgement.labels
    paired = np.concatenate([pair.rows for pair in labels.pairs]) if labels.pairs else np.array([], dtype=np.intp)
    single = np.setdiff1d(np.flatnonzero(labels.flagged), paired)
    for pair in labels.pairs:
        yield _pair(data, judgement, pair)
    for group in labels.systems:
        yield _group(data, judgement, group)
    if len(single):
        share = len(single) / len(data)
        yield _finding(
            "BZ102",
            severity=Severity.HIGH if share >= MUCH else Severity.MEDIUM if share >= SOME else Severity.LOW,
            confirmed=labels.confirmed,
            subject="labels",
            summary=f"{len(single):,} rows look like another class than their label to models that never saw them.",
            rows=len(single),
            evidence=(_share("rows flagged", len(single), len(data)), *_agreement(labels)),
            exhibits=_worst(data, judgement, single, "BZ102"),
        )


def _pair(data: Dataset, judgement: Judgement, pair: Pair) -> Finding:
    given, true = data.classes[pair.given], data.classes[pair.true]
    labels = judgement.labels
    backward = int((labels.flagged & (data.labels == pair.true) & (labels.suggested == pair.given)).sum())
    looks = len(pair.rows) + int((data.labels == pair.true).sum())
    return _finding(
        "BZ103",
        severity=Severity.HIGH if labels.confirmed else Severity.MEDIUM,
        confirmed=labels.confirmed,
        subject=f"{true} labelled {given}",
        summary=(
            f"{len(pair.rows):,} rows labelled {given} look like {true}; the other way about, {backward:,} do. Honest "
            "confusion goes both ways."
        ),
        rows=len(pair.rows),
        evidence=(
            _share(f"rows that look like {true} and are labelled {given}", len(pair.rows), looks),
            *_agreement(labels),
        ),
        exhibits=_worst(data, judgement, pair.rows, "BZ103"),
    )


def _group(data: Dataset, judgement: Judgement, group: Subgroup) -> Finding:
    where = Encoding.of(data.table).where(data.table.column_names, group.conditions)
    rate = wilson(group.events, group.trials)
    worst = np.flatnonzero(group.rows & (judgement.labels.suggested != data.labels))
    return _finding(
        "BZ103",
        severity=Severity.MEDIUM,
        confirmed=False,
        subject=where,
        summary=(
            f"Where {where}, sure predictions are contradicted by {rate.value:.1%} of the labels, {group.lift:.1f} times "
            f"as often as in the whole set ({group.events} rows where {group.expected:.0f} were expected)."
        ),
        rows=int(group.rows.sum()),
        evidence=(
            Evidence(
                name="sure predictions contradicted",
                value=rate.value,
                low=rate.low,
                high=rate.high,
                n=rate.n,
                control=group.expected / max(group.trials, 1),
            ),
            Evidence(
                name="chance of so many", value=group.p_value, unit="p", note="not corrected for the splits tried"
            ),
        ),
        exhibits=_worst(data, judgement, worst, "BZ103"),
    )


def _copies(data: Dataset, judgement: Judgement) -> Iterator[Finding]:
    most = int(judgement.copies.max(initial=0))
    kinds = (
        (
            "BZ104",
            Severity.MEDIUM,
            judgement.contradicting,
            "have an exact copy that carries another label: both cannot be right",
            "rows with a contradicting copy",
        ),
        (
            "BZ106",
            Severity.LOW,
            judgement.copies >= FLOOD,
            f"show images that occur {FLOOD} times or more, one of them {most:,} times",
            "rows with so many copies",
        ),
    )
    for code, severity, found, what, share in kinds:
        rows = np.flatnonzero(found)
        if len(rows):
            yield _finding(
                code,
                severity=severity,
                confirmed=True,
                subject="equal images",
                summary=f"{len(rows):,} rows {what}.",
                rows=len(rows),
                evidence=(_share(share, len(rows), len(data)),),
                exhibits=_worst(data, judgement, rows, code),
            )


def _sources(sources: tuple[SourceRow, ...]) -> Iterator[Finding]:
    for row in sources:
        if row.blamed:
            yield _finding(
                "BZ105",
                severity=Severity.HIGH,
                confirmed=True,
                subject=f"source {row.source}",
                summary=(
                    f"{row.because.name[:1].upper()}{row.because.name[1:]}: {row.because.value:.1%} of the "
                    f"{row.because.n:,} from {row.source}, against {row.because.control:.1%} from the other sources."
                ),
                rows=row.flagged,
                evidence=(
                    row.because,
                    Evidence(name="exact test, corrected for the number of sources", value=row.p_value, unit="p"),
                ),
            )


def _unread(data: Dataset) -> Finding:
    return _finding(
        "BZ108",
        severity=Severity.MEDIUM,
        confirmed=True,
        subject="reading",
        summary=f"{len(data.unread):,} rows or files could not be read, so nothing is known of them.",
        rows=len(data.unread),
        evidence=(_share("unread", len(data.unread), len(data.unread) + len(data)),),
    )


def _finding(
    code: str,
    *,
    severity: Severity,
    confirmed: bool,
    subject: str,
    summary: str,
    rows: int,
    evidence: tuple[Evidence, ...],
    pictures: tuple[Picture, ...] = (),
    exhibits: tuple[Exhibit, ...] = (),
) -> Finding:
    page = CODES[code]
    return Finding(
        code=code,
        title=page.title,
        severity=severity,
        certainty=Certainty.CONFIRMED if confirmed else Certainty.SUSPICIOUS,
        subject=subject,
        summary=summary,
        rows=rows,
        remedy=page.remedy,
        evidence=evidence,
        pictures=pictures,
        exhibits=exhibits,
        references=page.framework(),
    )


def _worst(data: Dataset, judgement: Judgement, rows: NDArray[np.intp], code: str) -> tuple[Exhibit, ...]:
    ranked = rows[np.argsort(-judgement.score[rows], kind="stable")][:SHOWN]
    return tuple(exhibit(data, int(row), judgement, code) for row in ranked)


def _agreement(labels: Labels) -> Iterator[Evidence]:
    if labels.agreement is not None and labels.agreement_control is not None:
        yield _rate(
            "unlike models that never saw the row agree that its label is wrong",
            labels.agreement,
            labels.agreement_control.value,
        )


def _rate(name: str, share: Interval, control: float | None = None) -> Evidence:
    return Evidence(name=name, value=share.value, low=share.low, high=share.high, n=share.n, control=control)


def _share(name: str, count: int, n: int) -> Evidence:
    return _rate(name, wilson(count, n))


def _cell(value: object) -> str:
    return "" if value is None else str(value)[:200]
