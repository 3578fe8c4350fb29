"""What an audit says. The JSON of :class:`Document` is canonical; every other format is rendered from it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION: Final = "1.0"


class Severity(StrEnum):
    """How bad a finding is. Ordered by :attr:`rank`."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info up to 4 for critical."""
        return list(Severity).index(self)


class Status(StrEnum):
    """How a check ended. Unread is never clean."""

    FOUND = "found"
    CLEAN = "clean"
    NOT_APPLICABLE = "not_applicable"
    FAILED = "failed"


class Certainty(StrEnum):
    """A score alone is at most suspicious; an experiment confirms."""

    SUSPICIOUS = "suspicious"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A measured value with its unit, 95 % interval, sample size and the control's value beside it.

    ``unit`` is "share" for values in [0, 1] shown as per cent, else what is counted ("rows", "p").
    """

    name: str
    value: float
    unit: str = "share"
    low: float | None = None
    high: float | None = None
    n: int | None = None
    control: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A small PNG, base64, with a caption that also serves as its text alternative."""

    png: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One row shown to the reader: a picture of it or its cells."""

    id: str
    index: int
    label: str
    suggested: str = ""
    source: str = ""
    p_value: float | None = None
    code: str = ""
    picture: Picture | None = None
    cells: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing the audit found.

    ``subject`` says of what, such as "class 7" or "source acme"; ``rows`` counts the rows it covers;
    ``references`` maps a framework's name to its identifiers.
    """

    code: str
    title: str
    severity: Severity
    certainty: Certainty
    subject: str
    summary: str
    rows: int = 0
    remedy: str = ""
    evidence: tuple[Evidence, ...] = ()
    pictures: tuple[Picture, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question the audit asked, and how it ended. ``codes`` are those of the findings that it can make."""

    name: str
    status: Status
    detail: str = ""
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """How one source stands.

    Parameters
    ----------
    rows, flagged : how many rows it delivered, and how many of them are flagged.
    share, low, high : of its rows that are flagged, with its 95 % interval.
    p_value : of the exact test of "more than the other sources", corrected for sources and questions.
    because : the share that tells most against it, with that of the other sources as control.
    """

    source: str
    rows: int
    flagged: int
    share: float
    low: float
    high: float
    p_value: float
    blamed: bool
    because: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRow:
    """What this audit caught of poison that it planted itself in a copy of the data.

    ``rate`` is the share of all rows that was spiked and ``spiked`` their number; ``caught`` of them were
    flagged, a share of ``power`` with its 95 % interval. ``confirmed`` says whether the experiment
    confirmed the planted poison (None for kinds that have no such experiment). Of a model, copies were taught a
    backdoor: ``spiked`` of them, of which ``caught`` were called backdoored towards the right class; ``rate`` is 0.
    """

    kind: str
    rate: float
    spiked: int
    caught: int
    power: float
    low: float
    high: float
    confirmed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the cells of a column look like, or how bright the images of a class are.

    Parameters
    ----------
    name : of the column, or of the class.
    kind : "numbers", "text", or "brightness": the mean of an image in grey levels, 0 to 255.
    rows, missing : cells, and how many of them are empty.
    distinct : how many different values there are, with its interval.
    mean, std : of numbers; None where there are none, or some too large to square.
    quantiles : values below which 0, 5, 25, 50, 75, 95 and 100 % of the numbers lie, their ranks right to half a per cent.
    """

    name: str
    kind: Literal["numbers", "text", "brightness"]
    rows: int
    missing: int
    distinct: Evidence
    mean: float | None = None
    std: float | None = None
    quantiles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """The audited set in numbers. ``different`` estimates how many of its rows differ from all others before them."""

    name: str
    modality: str
    rows: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    merkle_root: str
    sources: int = 0
    columns: tuple[str, ...] = ()
    unread: int = 0
    different: Evidence | None = None
    profiles: tuple[Profile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """The audited model in numbers.

    Parameters
    ----------
    name : of its file.
    form : of the file, in words.
    sha256 : of the file, as hexadecimal text.
    architecture : by name, or the import path of its code.
    parameters : how many numbers it learned.
    accuracy : share of the clean inputs that it gets right.
    null : what its scores were held against, in words.
    """

    name: str
    form: str
    sha256: str
    architecture: str
    parameters: int
    accuracy: Evidence
    null: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadRow:
    """Something that could not be read."""

    where: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Enough to run the audit again and to judge how it ran.

    ``stages`` are seconds by stage, ``cpu_seconds`` those of processors (of the program itself, without its workers),
    ``peak_bytes`` the most memory that the program held during it.
    """

    command: str
    arguments: dict[str, Any]
    defaults: dict[str, Any]
    seed: int
    started: str
    seconds: float
    stages: dict[str, float]
    versions: dict[str, str]
    hardware: dict[str, str]
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    trusted: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The canonical, JSON-able part of a report.

    ``kind`` says what was audited: a data set; or a model, with which ``dataset`` are the clean inputs it was tested on; or
    a model's failures, with which ``dataset`` are the failing inputs.
    ``power`` is None where no controls were run: then the power of this audit is unknown.
    ``control_flagged`` is the share of untouched rows that the control run flagged, a false alarm rate.
    """

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    kind: Literal["data", "model", "triage"] = "data"
    dataset: DatasetSummary
    model: ModelSummary | None = None
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    run: RunRecord
    estimated_poison: Evidence | None = None
    sources: tuple[SourceRow, ...] = ()
    power: tuple[PowerRow, ...] | None = None
    control_flagged: Evidence | None = None
    exhibits: tuple[Exhibit, ...] = ()
    unread: tuple[UnreadRow, ...] = ()

    @property
    def status(self) -> Status:
        """The whole audit's verdict: found, else failed, else clean; not applicable where nothing applied."""
        statuses = {check.status for check in self.checks}
        for status in (Status.FOUND, Status.FAILED, Status.CLEAN):
            if status in statuses:
                return Status.FAILED if status is Status.CLEAN and self.unread else status
        return Status.NOT_APPLICABLE

    @property
    def worst(self) -> Severity | None:
        """The highest severity among the findings."""
        return max((finding.severity for finding in self.findings), key=lambda s: s.rank, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Document):
    """A document with the table of all rows beside it; of a model, of all classes.

    ``rows`` has the columns id, index, source, label, suggested_label, one per detector, p_value, flagged
    and code; of classes the same but source, label and suggested_label.
    """

    rows: "pa.Table"
