"""JUnit XML, for build servers: a test case per check. What was not read is an error, never a pass."""

from xml.etree import ElementTree as ET

from bezoar.core.report import Check, Document, Report, Status
from bezoar.report import safe, wording

_OUTCOMES = {Status.FOUND: "failure", Status.FAILED: "error", Status.NOT_APPLICABLE: "skipped"}
_MOST_LISTED = 50


def render(report: Report) -> str:
    """The test suite. Found is a failure, failed an error, not applicable skipped, clean passes."""
    shown = safe.document(report)
    checks = list(shown.checks)
    if shown.unread:
        listed = "; ".join(f"{row.where}: {row.why}" for row in shown.unread[:_MOST_LISTED])
        detail = f"{shown.dataset.unread or len(shown.unread):,} not read. {listed}"
        checks.append(Check(name="everything was read", status=Status.FAILED, detail=detail, codes=("BZ108",)))
    counts = {
        plural: str(sum(check.status is status for check in checks))
        for plural, status in (
            ("failures", Status.FOUND),
            ("errors", Status.FAILED),
            ("skipped", Status.NOT_APPLICABLE),
        )
    }
    totals = {"tests": str(len(checks)), **counts, "time": f"{shown.run.seconds:.3f}"}
    root = ET.Element("testsuites", {"name": "bezoar", **totals})
    suite = ET.SubElement(root, "testsuite", {"name": f"bezoar {wording.subject(shown)}", **totals})
    if shown.run.started:
        suite.set("timestamp", shown.run.started)
    for check in checks:
        _case(suite, check, shown)
    ET.SubElement(suite, "system-out").text = "\n".join(_summary(shown))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, check: Check, report: Document) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": f"bezoar.{report.kind}", "name": check.name})
    outcome = _OUTCOMES.get(check.status)
    if outcome is not None:
        told = [finding for finding in wording.ordered(report) if finding.code in check.codes]
        lines = [check.detail] if check.detail else [f"{finding.code} {finding.summary}" for finding in told]
        mark = ET.SubElement(case, outcome, {"message": " ".join(lines) or str(check.status)})
        if outcome != "skipped":
            mark.set("type", " ".join(sorted({finding.code for finding in told})) or str(check.status))
            mark.text = "\n".join(
                [*lines, *(f"See `bezoar explain {code}`." for code in sorted({f.code for f in told}))]
            )


def _summary(report: Document) -> list[str]:
    verdict = wording.verdict(report)
    lines = [f"{verdict.headline} {verdict.lead}"]
    for finding in wording.ordered(report):
        lines.append(f"{finding.code} {finding.severity}, {finding.certainty}: {finding.title}: {finding.subject}")
        lines.extend(f"  {wording.evidence(item)}" for item in finding.evidence)
    return [*lines, f"What this audit would have missed: {' '.join(wording.missed(report))}"]
