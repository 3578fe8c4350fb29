"""A short Markdown summary, for a job's log or a review comment."""

import re
from collections.abc import Sequence

from bezoar.core.report import Document, ModelSummary, Report, Status
from bezoar.report import safe, wording

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$^=:@\"'/])")
_MOST_FINDINGS, _MOST_UNREAD = 20, 10


def render(report: Report) -> str:
    """Verdict, findings, power, sources, checks and what was not read, on about a page."""
    shown = safe.document(report)
    verdict = wording.verdict(shown)
    data, model = shown.dataset, shown.model
    rows = wording.INPUTS[shown.kind]
    size = f"{data.rows:,} {data.modality} rows, {len(data.classes)} classes"
    parts = [
        f"# {text(verdict.headline)}",
        f"{text(verdict.lead)}",
        *([] if model is None else [_model(model)]),
        f"{rows}: **{text(data.name)}**, {text(size)}. Merkle root {text(data.merkle_root)}.",
        *_findings(shown),
        f"**What this audit would have missed.** {text(' '.join(wording.missed(shown)))}",
        *_power(shown),
        *_sources(shown),
        *_checks(shown),
        *_unread(shown),
        f"{text(shown.run.command)}, seed {shown.run.seed}, {wording.seconds(shown.run.seconds)}",
    ]
    return "\n\n".join(parts) + "\n"


def text(value: str) -> str:
    """Text that means only itself: HTML becomes entities, Markdown's own marks are escaped, links do not form."""
    entities = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # A word joiner after "@" and "www" stops a mention or a link where escapes do not.
    return _SPECIAL.sub(r"\\\1", entities).replace("\\@", "\\@&#8288;").replace("www", "ww&#8288;w")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(text(cell) or " " for cell in row) + " |" for row in rows)])


def _model(model: ModelSummary) -> str:
    what = f"{text(model.architecture)}, {wording.learned(model.parameters)}, SHA-256 {text(model.sha256)}"
    return f"Model: **{text(model.name)}**, {what}. {text(wording.evidence(model.accuracy))}."


def _findings(report: Document) -> list[str]:
    findings = wording.ordered(report)
    if not findings:
        return []
    rows = [
        (f.code, f.title, f.subject, str(f.severity), str(f.certainty), f"{f.rows:,}" if f.rows else "")
        for f in findings[:_MOST_FINDINGS]
    ]
    table = _table(("Code", "Finding", "Where", "Severity", "Certainty", "Rows"), rows)
    more = [f"{len(findings) - _MOST_FINDINGS} more in the report."] if len(findings) > _MOST_FINDINGS else []
    lines = [
        f"- **{text(f.code)}** {text(f.summary)}" + "".join(f"\n  - {text(wording.evidence(e))}" for e in f.evidence)
        for f in findings[:_MOST_FINDINGS]
    ]
    return [table, *more, "\n".join(lines)]


def _power(report: Document) -> list[str]:
    if not report.power:
        return []
    rows = [
        (
            row.kind,
            wording.share(row.rate) if row.rate else "",
            f"{row.spiked:,}",
            wording.share(row.power),
            wording.interval(row.low, row.high),
        )
        for row in report.power
    ]
    return [_table(("Planted", "Rate", "Rows" if report.model is None else "Copies", "Caught", "95 % interval"), rows)]


def _sources(report: Document) -> list[str]:
    if not report.sources:
        return []
    blamed = sorted(report.sources, key=lambda row: (not row.blamed, row.p_value))[:_MOST_FINDINGS]
    rows = [
        (
            row.source,
            f"{row.rows:,}",
            f"{row.flagged:,}",
            wording.share(row.share),
            wording.p_value(row.p_value),
            "blamed" if row.blamed else "",
        )
        for row in blamed
    ]
    return [_table(("Source", "Rows", "Flagged", "Share", "p", ""), rows)]


def _checks(report: Document) -> list[str]:
    counts = {status: sum(check.status is status for check in report.checks) for status in Status}
    told = ", ".join(f"{count} {str(status).replace('_', ' ')}" for status, count in counts.items() if count)
    failed = [f"- {text(c.name)}: {text(c.detail)}" for c in report.checks if c.status is Status.FAILED]
    return [f"Checks: {told or 'none'}.", *(["\n".join(failed)] if failed else [])]


def _unread(report: Document) -> list[str]:
    if not report.unread:
        return []
    lines = [f"- {text(row.where)}: {text(row.why)}" for row in report.unread[:_MOST_UNREAD]]
    rest = len(report.unread) - _MOST_UNREAD
    return [f"Not read, {len(report.unread):,}:", "\n".join([*lines, *([f"- {rest:,} more"] if rest > 0 else [])])]
