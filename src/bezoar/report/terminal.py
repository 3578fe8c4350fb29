"""The report on a terminal: the verdict, the findings, what would have been missed, where the rest is."""

from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bezoar.core.report import Certainty, Document, Report, RunRecord, Severity, Status
from bezoar.report import safe, wording
from bezoar.report.wording import Tone

_TONES = {
    Tone.CONFIRMED: "bold red",
    Tone.SUSPICIOUS: "bold yellow",
    Tone.CLEAN: "bold green",
    Tone.UNKNOWN: "bold magenta",
}
_SEVERITIES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_MOST_FINDINGS = 12


def render(report: Report, where: Path | None = None) -> Group:
    """What to print with a ``rich`` console.

    Parameters
    ----------
    report : what was found.
    where : the folder that the report was written to, if any.
    """
    shown = safe.document(report)
    verdict = wording.verdict(shown)
    parts: list[RenderableType] = [Text(verdict.headline, _TONES[verdict.tone]), Text(verdict.lead)]
    if shown.findings:
        parts += [Text(), _findings(shown)]
    blamed = [row for row in shown.sources if row.blamed]
    for row in blamed[:_MOST_FINDINGS]:
        parts.append(Text(f"Source to blame: {row.source}: {wording.charge(row)}"))
    parts += [Text(), Text.assemble(("What this audit would have missed  ", "bold"), " ".join(wording.missed(shown)))]
    parts += _gaps(shown)
    if where is not None:
        parts += [Text(), Text(f"Report: {safe.text(str(where / 'index.html'), 1000)}", "dim", overflow="fold")]
    return Group(*parts)


def profile(run: RunRecord) -> Table:
    """Where time and memory went, stage by stage."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("Stage")
    for name in ("Seconds", "Processor seconds", "Most memory"):
        table.add_column(name, justify="right")
    for stage, seconds in run.stages.items():
        cpu, peak = run.cpu_seconds.get(stage), run.peak_bytes.get(stage)
        table.add_row(
            Text(safe.text(stage)),
            f"{seconds:,.1f}",
            "" if cpu is None else f"{cpu:,.1f}",
            "" if peak is None else wording.size(peak),
        )
    most = max(run.peak_bytes.values(), default=0)
    table.add_row(
        Text("all", "bold"),
        f"{run.seconds:,.1f}",
        f"{sum(run.cpu_seconds.values()):,.1f}",
        wording.size(most),
        style="bold",
    )
    return table


def _findings(report: Document) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in ("Code", "Finding", "Where", "Severity", "Certainty"):
        table.add_column(name, overflow="fold")
    table.add_column("Rows", justify="right")
    findings = wording.ordered(report)
    for finding in findings[:_MOST_FINDINGS]:
        certain = finding.certainty is Certainty.CONFIRMED
        table.add_row(
            Text(finding.code),
            Text(finding.title),
            Text(finding.subject),
            Text(finding.severity, _SEVERITIES[finding.severity]),
            Text(finding.certainty, "bold" if certain else ""),
            Text(f"{finding.rows:,}" if finding.rows else ""),
        )
    if len(findings) > _MOST_FINDINGS:
        table.add_row(Text(), Text(f"{len(findings) - _MOST_FINDINGS} more in the report", "dim"))
    return table


def _gaps(report: Document) -> list[RenderableType]:
    """Checks that failed and rows that were not read: neither is clean."""
    failed = [check for check in report.checks if check.status is Status.FAILED]
    lines: list[RenderableType] = [Text(f"Check failed: {check.name}. {check.detail}", "red") for check in failed]
    if report.unread:
        count = report.dataset.unread or len(report.unread)
        first = report.unread[0]
        lines.append(Text(f"Not read: {count:,}, such as {first.where} ({first.why})", "red"))
    return lines
