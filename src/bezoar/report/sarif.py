"""SARIF 2.1.0, for code scanning services and editors: one result per finding, never one per row."""

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from bezoar.core import digest
from bezoar.core.codes import CODES
from bezoar.core.report import Document, Evidence, Finding, Report, Severity, Status
from bezoar.report import safe, wording

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_NOTIFIED = {Status.FAILED: "error", Status.NOT_APPLICABLE: "note"}
_MOST_LISTED = 1000


def render(report: Report) -> dict[str, Any]:
    """The SARIF log as plain JSON values.

    Fingerprints depend on the code, the subject and the data set's name alone, so the same finding keeps
    its identity from run to run. Failed checks and what was not read are tool notifications.
    """
    shown = safe.document(report)
    codes = sorted({finding.code for finding in shown.findings})
    fingerprints = _fingerprints(report)
    results = [
        _result(finding, codes.index(finding.code), fingerprint, shown)
        for finding, fingerprint in zip(shown.findings, fingerprints, strict=True)
    ]
    driver = {
        "name": "Bezoar",
        "version": version("bezoar"),
        "semanticVersion": version("bezoar"),
        "rules": [_rule(code, shown) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(shown)],
        "artifacts": _artifacts(shown),
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": {"status": str(shown.status), "power": _power(shown)},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _fingerprints(report: Document) -> list[str]:
    """Of the texts as they were, not as shown; two findings that would share one are numbered."""
    seen: Counter[str] = Counter()
    fingerprints = []
    for finding in report.findings:
        parts = (finding.code, finding.subject, wording.subject(report))
        content = digest.framed(part.encode("utf-8", "surrogatepass") for part in parts)
        print_ = hashlib.sha256(content).hexdigest()
        seen[print_] += 1
        fingerprints.append(print_ if seen[print_] == 1 else f"{print_}/{seen[print_]}")
    return fingerprints


def _result(finding: Finding, rule: int, fingerprint: str, report: Document) -> dict[str, Any]:
    place = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(wording.subject(report)), "index": 0}},
        "logicalLocations": [{"name": finding.subject, "kind": "element"}],
    }
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "kind": "fail",
        "level": _LEVELS[finding.severity],
        "message": {"text": _plain(f"{finding.title}: {finding.subject}. {finding.summary}")},
        "locations": [place],
        "partialFingerprints": {"bezoarFinding/v1": fingerprint},
        "properties": {
            "severity": str(finding.severity),
            "certainty": str(finding.certainty),
            "rows": finding.rows,
            "remedy": finding.remedy,
            "evidence": [_measured(item) for item in finding.evidence],
        },
    }


def _measured(item: Evidence) -> dict[str, Any]:
    numbers = {"value": item.value, "low": item.low, "high": item.high, "n": item.n, "control": item.control}
    return {"name": item.name, "unit": item.unit, **{name: v for name, v in numbers.items() if v is not None}}


def _rule(code: str, report: Document) -> dict[str, Any]:
    first = next(finding for finding in report.findings if finding.code == code)
    rule: dict[str, Any] = {"id": code, "defaultConfiguration": {"level": _LEVELS[first.severity]}}
    page = CODES.get(code)
    if page is None:
        return {**rule, "shortDescription": {"text": first.title}}
    tags = [f"{framework}: {name}" for framework, names in page.framework().items() for name in names]
    parts = {
        "What it shows": page.shows,
        "Why it matters": page.matters,
        "What to do": page.remedy,
        "What it cannot tell": page.cannot_tell,
    }
    text = "\n\n".join(f"{heading}. {body}" for heading, body in parts.items())
    markdown = "\n\n".join(f"**{heading}.** {body}" for heading, body in parts.items())
    return {
        **rule,
        "name": "".join(word.capitalize() for word in page.title.replace("-", " ").split()),
        "shortDescription": {"text": f"{page.title}."},
        "fullDescription": {"text": page.shows},
        "help": {"text": text, "markdown": markdown},
        "properties": {"tags": ["security", "machine-learning", *tags], "precision": "high"},
    }


def _invocation(report: Document) -> dict[str, Any]:
    failed = any(check.status is Status.FAILED for check in report.checks)
    notices = [
        _notice(_NOTIFIED[check.status], f"{check.name}: {str(check.status).replace('_', ' ')}. {check.detail}")
        for check in report.checks
        if check.status in _NOTIFIED
    ]
    notices += [_notice("warning", f"not read: {row.where}: {row.why}") for row in report.unread[:_MOST_LISTED]]
    return {
        "executionSuccessful": not failed,
        "exitCodeDescription": f"the audit's status is {report.status}",
        "commandLine": report.run.command,
        "toolExecutionNotifications": notices,
        **_times(report),
    }


def _times(report: Document) -> dict[str, str]:
    """Start and end in UTC; nothing where the start is no date."""
    try:
        start = datetime.fromisoformat(report.run.started)
        end = start + timedelta(seconds=report.run.seconds)
    except (ValueError, OverflowError):
        return {}
    return {
        name: moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name, moment in (("startTimeUtc", start), ("endTimeUtc", end))
    }


def _artifacts(report: Document) -> list[dict[str, Any]]:
    data, model = report.dataset, report.model
    audited = (
        {
            "location": {"uri": _uri(model.name)},
            "description": {"text": f"{model.architecture} model with {wording.learned(model.parameters)}"},
            "roles": ["analysisTarget"],
            "hashes": {"sha-256": model.sha256},
        }
        if model is not None
        else None
    )
    whole = {
        "location": {"uri": _uri(data.name)},
        "description": {"text": f"{data.modality} data set of {data.rows:,} rows"},
        "roles": ["analysisTarget" if model is None else "referencedOnCommandLine"],
        "properties": {"merkleRoot": data.merkle_root, "rows": data.rows, "classes": len(data.classes)},
    }
    files = list(report.run.digests.items())[:_MOST_LISTED]
    return [
        *([] if audited is None else [audited]),
        whole,
        *({"location": {"uri": _uri(name)}, "hashes": {"sha-256": value}} for name, value in files),
    ]


def _power(report: Document) -> list[dict[str, Any]] | str:
    if report.power is None:
        return wording.POWER_UNKNOWN
    return [
        {"kind": row.kind, "rate": row.rate, "power": row.power, "low": row.low, "high": row.high}
        for row in report.power
    ]


def _notice(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": _plain(text.strip())}}


def _uri(name: str) -> str:
    """A relative reference: no name can become another scheme or leave the folder's level by a colon."""
    return quote(name, safe="/") or "data"


def _plain(text: str) -> str:
    """Message text without links or placeholders, which SARIF marks by brackets and braces (section 3.11)."""
    text = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return text.replace("{", "{{").replace("}", "}}")
