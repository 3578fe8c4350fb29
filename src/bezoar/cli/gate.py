"""The severity from which findings fail a build, and the exit status that follows."""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bezoar.core.report import Report


class Gate(StrEnum):
    """The severity from which findings fail a gate."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    NEVER = "never"


def exit_status(report: "Report", fail_on: Gate) -> int:
    """0 clean, 1 findings at or above the gate, 3 some check failed or something could not be read."""
    from bezoar.core.report import Severity, Status

    worst = report.worst
    if fail_on is not Gate.NEVER and worst is not None and worst.rank >= Severity(fail_on.value).rank:
        return 1
    failed = any(check.status is Status.FAILED for check in report.checks)
    return 3 if failed or report.unread else 0
