"""What a report says in words: the verdict and the numbers, the same in every format."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bezoar.core.report import Certainty, Document, Evidence, Finding, PowerRow, RunRecord, SourceRow, Status

POWER_UNKNOWN = "Power is unknown: controls were not run."
_GOOD_POWER = 0.9
_MOST_LINES = 5
# Not from the locale: a report reads the same everywhere.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_CAVEATS = {
    "data": "Kinds of poison that were not planted are not covered by these figures.",
    "model": "Kinds of backdoors that were not taught to copies are not covered by these figures.",
}
INPUTS = {"data": "Data", "model": "Clean inputs", "triage": "Failing inputs"}
"""What the rows of a report's data set are, by its kind."""
EXPERIMENTS = "Nothing is planted in a triage: each explanation is tried by an experiment of its own."
_SUBJECTS = {"data": "this data", "model": "this model", "triage": "these failures"}


class Tone(StrEnum):
    """How a verdict looks. Never the only carrier of its meaning."""

    CONFIRMED = "confirmed"
    SUSPICIOUS = "suspicious"
    CLEAN = "clean"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The whole report in a few lines.

    Parameters
    ----------
    tone : how it looks.
    headline : one sentence.
    lead : what a person should know next.
    facts : answers by question, each a few lines.
    """

    tone: Tone
    headline: str
    lead: str
    facts: tuple[tuple[str, tuple[str, ...]], ...]


def verdict(report: Document) -> Verdict:
    """The verdict in plain words: what was found, where, how sure, what would have been missed."""
    tone, headline, lead = _headline(report)
    facts = (
        ("What was found, and where", _found(report)),
        ("Who supplied it", _blamed(report)),
        ("How sure this is", _certainty(report)),
        ("What this audit would have missed", missed(report)),
    )
    return Verdict(tone=tone, headline=headline, lead=lead, facts=tuple(fact for fact in facts if fact[1]))


def subject(report: Document) -> str:
    """The name of what was audited."""
    return report.dataset.name if report.model is None else report.model.name


def ordered(report: Document) -> tuple[Finding, ...]:
    """The findings, the most severe first and confirmed before suspicious."""
    return tuple(
        sorted(report.findings, key=lambda f: (-f.severity.rank, f.certainty is not Certainty.CONFIRMED, f.code))
    )


def share(value: float) -> str:
    """A share in [0, 1] as per cent: "97 %", "0.25 %", "< 0.01 %"."""
    percent = 100 * value
    if percent <= 0 or percent >= 100:
        return f"{percent:.0f}\u00a0%"
    if percent < 0.01:
        return "<\u00a00.01\u00a0%"
    if percent > 99.95:
        return ">\u00a099.9\u00a0%"
    return f"{percent:.{2 if percent < 1 else 1}f}".rstrip("0").rstrip(".") + "\u00a0%"


def learned(count: int) -> str:
    """How many numbers a model learned, in words; of a black box nobody knows."""
    return f"{count:,} learned numbers" if count else "an unknown number of learned numbers"


def p_value(value: float) -> str:
    """A p-value: "0.031", "2 × 10⁻¹⁰"; below 1e-300 only the bound is known."""
    if value >= 0.001:
        return f"{value:.2g}"
    if value < 1e-300:
        return "<\u00a010⁻³⁰⁰"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}\u00a0×\u00a010{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def number(value: float, unit: str) -> str:
    """A value with its unit, as :class:`~bezoar.core.report.Evidence` means it."""
    if unit == "share":
        return share(value)
    if unit == "p":
        return p_value(value)
    figure = f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"
    return f"{figure}\u00a0{unit}".rstrip()


def interval(low: float | None, high: float | None, unit: str = "share") -> str:
    """A 95 % interval: "94 % to 99 %"; empty where there is none."""
    if low is None or high is None:
        return ""
    return f"{number(low, unit)} to {number(high, unit)}"


def seconds(value: float) -> str:
    """A time for people: "48 s", "3 min 05 s"."""
    if value < 10:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def size(value: int) -> str:
    """Memory for people: "412 MB", "1.3 GB"."""
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def spent(run: RunRecord, stage: str) -> str:
    """What a stage took: "48 s, 83 s of processors, up to 412 MB"; records of older reports know the time alone."""
    parts = [seconds(run.stages[stage])]
    if stage in run.cpu_seconds:
        parts.append(f"{seconds(run.cpu_seconds[stage])} of processors")
    if stage in run.peak_bytes:
        parts.append(f"up to {size(run.peak_bytes[stage])}")
    return ", ".join(parts)


def moment(text: str) -> str:
    """A time in ISO 8601 for people: "15 January 2026, 09:30 UTC"; other text stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = f" {at:%Z}" if at.tzinfo else ""
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M}{zone}"


def evidence(item: Evidence) -> str:
    """A measured value in one line, with interval, n and control."""
    parts = [f"{item.name}: {number(item.value, item.unit)}"]
    if item.low is not None and item.high is not None:
        parts.append(f"95 % interval {interval(item.low, item.high, item.unit)}")
    if item.n is not None:
        parts.append(f"n = {item.n:,}")
    if item.control is not None:
        parts.append(f"control {number(item.control, item.unit)}")
    return "; ".join(parts)


def missed(report: Document) -> tuple[str, ...]:
    """What this audit would not have seen, from its positive controls, line by line."""
    if report.kind == "triage":
        return (EXPERIMENTS,)
    if report.power is None:
        return (POWER_UNKNOWN, f"How much this audit lets through on {_SUBJECTS[report.kind]} was not measured.")
    if not report.power:
        return (f"Unknown: nothing could be planted in a copy of {_SUBJECTS[report.kind]}.",)
    caveat = _CAVEATS[report.kind]
    weak = sorted((row for row in report.power if row.power < _GOOD_POWER), key=lambda row: row.power)
    if weak:
        more = (f"{len(weak) - _MOST_LINES} more.",) if len(weak) > _MOST_LINES else ()
        return (*map(_missed, weak[:_MOST_LINES]), *more, caveat)
    return (f"Little of what was planted. At worst: {_missed(min(report.power, key=lambda row: row.power))}", caveat)


def power(row: PowerRow) -> str:
    """What was caught of one control: "97 % (95 % interval 94 % to 99 %) of badnets at 1 %"."""
    if not row.rate:  # copies of a model
        return f"{row.caught} of {row.spiked} copies with a {row.kind} (95 % interval {interval(row.low, row.high)})"
    return f"{share(row.power)} (95 % interval {interval(row.low, row.high)}) of {row.kind} at {share(row.rate)}"


def _missed(row: PowerRow) -> str:
    if not row.rate:
        return f"{row.spiked - row.caught} of {row.spiked} copies with a {row.kind}."
    return (
        f"{share(1 - row.power)} (95 % interval {interval(1 - row.high, 1 - row.low)}) of {row.kind} at "
        f"{share(row.rate)}, {row.spiked:,} rows."
    )


def _headline(report: Document) -> tuple[Tone, str, str]:
    if report.findings:
        return _headline_of_findings(report)
    if report.status is Status.FAILED:
        broken = [check.name for check in report.checks if check.status is Status.FAILED]
        reasons = [f"these checks failed: {', '.join(broken[:_MOST_LINES])}"] if broken else []
        if report.unread:
            reasons.append(f"{max(report.dataset.unread, len(report.unread)):,} files or rows could not be read")
        why = " and ".join(reasons)
        return Tone.UNKNOWN, "No verdict.", f"Nothing was found, but {why}. What was not examined is not clean."
    if report.status is Status.NOT_APPLICABLE:
        nothing = f"No check applies to {_SUBJECTS[report.kind]}, so nothing was examined."
        return Tone.UNKNOWN, "No verdict.", nothing
    if report.status is Status.FOUND:
        return Tone.SUSPICIOUS, "Something was found.", "A check reports poison without a finding that describes it."
    if not report.power:
        return Tone.CLEAN, "Nothing was found.", f"{missed(report)[0]} Read this as “not seen”, not as “not there”."
    strong = [row for row in report.power if row.power >= _GOOD_POWER]
    if not strong:
        on = _SUBJECTS[report.kind]
        lead = f"But the power of this audit on {on} is low: most of what was planted in a copy went unseen."
        return Tone.UNKNOWN, "Nothing was found.", lead
    kinds = dict.fromkeys(row.kind for row in strong)
    least = [min((row for row in strong if row.kind == kind), key=lambda row: row.rate) for kind in kinds]
    catches = _and(map(power, least[:_MOST_LINES]))
    return Tone.CLEAN, "Nothing was found.", f"On {_SUBJECTS[report.kind]} this audit catches {catches}."


def _headline_of_findings(report: Document) -> tuple[Tone, str, str]:
    worst = ordered(report)[0]
    rest = len(report.findings) - 1
    more = f" {rest} more finding{'s' if rest > 1 else ''} below." if rest else ""
    failed = sum(check.status is Status.FAILED for check in report.checks)
    gap = f" {failed} check{'s' if failed > 1 else ''} failed, so this may not be all." if failed else ""
    if worst.certainty is Certainty.CONFIRMED:
        return Tone.CONFIRMED, f"{worst.title}: {worst.subject}.", f"{worst.summary}{more}{gap}"
    return Tone.SUSPICIOUS, f"{worst.title}: {worst.subject}.", f"{worst.summary}{more}{gap}"


def _found(report: Document) -> tuple[str, ...]:
    lines = [
        f"{finding.title}: {finding.subject}{f', {finding.rows:,} rows' if finding.rows else ''} ({finding.certainty})."
        for finding in ordered(report)
    ]
    return tuple(lines[:_MOST_LINES] + ([f"{len(lines) - _MOST_LINES} more."] if len(lines) > _MOST_LINES else []))


def _blamed(report: Document) -> tuple[str, ...]:
    lines = [f"{row.source}: {charge(row)}." for row in report.sources if row.blamed]
    if report.findings and report.sources and not lines:
        return ("No source stands out from the others.",)
    return tuple(lines[:_MOST_LINES])


def charge(row: SourceRow) -> str:
    """What tells most against a source."""
    why = row.because
    return (
        f"{why.name}, {share(why.value)} of {why.n or 0:,} against {share(why.control or 0)} from the other sources "
        f"(p\u00a0=\u00a0{p_value(row.p_value)})"
    )


def _certainty(report: Document) -> tuple[str, ...]:
    confirmed = sum(finding.certainty is Certainty.CONFIRMED for finding in report.findings)
    suspicious = len(report.findings) - confirmed
    lines = [f"{confirmed} confirmed: an experiment was made and the effect was seen."] if confirmed else []
    if suspicious:
        lines.append(f"{suspicious} suspicious: a score stands out, no experiment confirms it.")
    if report.control_flagged is not None:
        rate = report.control_flagged
        between = interval(rate.low, rate.high, rate.unit)
        told = f" (95 % interval {between})" if between else ""
        lines.append(f"False alarms on untouched rows: {number(rate.value, rate.unit)}{told}.")
    return tuple(lines)


def _and(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
