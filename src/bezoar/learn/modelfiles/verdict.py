"""What a scan says of a model file: safe, unsafe or not analysed, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bezoar.core.report import Severity

EXECUTES: Final = "BZ601"
"""Code runs when the file is loaded."""
CARRIES: Final = "BZ602"
"""Code that comes with the model and runs when it is used, or when somebody agrees to it."""
LIES: Final = "BZ603"
"""The file is not what it says, or two readers read it differently."""
TEMPLATE: Final = "BZ604"
"""A chat template that attacks."""
REACHES: Final = "BZ605"
"""A part of it lies, or would be written, outside of its folder."""
UNREAD: Final = "BZ606"
"""A part was not analysed."""

SEVERITIES: Final = {
    EXECUTES: Severity.CRITICAL,
    CARRIES: Severity.HIGH,
    LIES: Severity.HIGH,
    TEMPLATE: Severity.CRITICAL,
    REACHES: Severity.HIGH,
    UNREAD: Severity.MEDIUM,
}


class Verdict(StrEnum):
    """Of a file, or of several."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    NOT_ANALYSED = "not_analysed"


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """Why a file is not safe.

    Parameters
    ----------
    code : of the finding, such as "BZ601".
    where : the member and the byte, such as "archive/data.pkl, byte 12". Empty for the file as a whole.
    what : one sentence for a person. Text from the file in it is escaped and shortened.
    """

    code: str
    where: str
    what: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return SEVERITIES[self.code]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What was found in one file.

    Parameters
    ----------
    path : as it was named, with what lies in a folder below the folder's name.
    format : what the content is; "unknown" where nothing fits.
    reasons : the worst first; none for a safe file.
    bytes_read : how much of the file was looked at; 0 where it could not be opened.
    sha256 : of the whole file, hexadecimal: what was judged. Empty where it could not be read.
    """

    path: str
    format: str
    reasons: tuple[Reason, ...]
    bytes_read: int
    sha256: str

    @property
    def verdict(self) -> Verdict:
        """Safe without any reason, not analysed where that is the only kind of reason, else unsafe."""
        if not self.reasons:
            return Verdict.SAFE
        return Verdict.NOT_ANALYSED if all(reason.code == UNREAD for reason in self.reasons) else Verdict.UNSAFE


def worst(scans: Iterable[Scan]) -> Verdict:
    """The verdict over several files. Nothing scanned is nothing analysed."""
    verdicts = {scan.verdict for scan in scans}
    for verdict in (Verdict.UNSAFE, Verdict.NOT_ANALYSED, Verdict.SAFE):
        if verdict in verdicts:
            return verdict
    return Verdict.NOT_ANALYSED
