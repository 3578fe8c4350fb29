"""One self-contained page: verdict first, then the evidence. It makes no request and runs no script."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.compute as pc
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bezoar.core.codes import CODES
from bezoar.core.report import Document, Exhibit, Picture, PowerRow, Report
from bezoar.report import safe, svg, wording
from bezoar.report.wording import Tone

_MOST_FINDINGS, _MOST_EXHIBITS, _MOST_SOURCES, _MOST_UNREAD, _MOST_CLASSES, _MOST_COLUMNS = 60, 48, 40, 100, 50, 24
_PICTURE_CHARACTERS = 3_500_000
"""Of base64 in all, which keeps the page under 5 MB."""

_STAMPS = {
    Tone.CONFIRMED: "Found, and confirmed by experiment",
    Tone.SUSPICIOUS: "Found, not confirmed",
    Tone.CLEAN: "Nothing found",
    Tone.UNKNOWN: "Not enough was examined",
}


def render(report: Report) -> str:
    """The page. Under 5 MB: pictures, rows and lists past a limit are counted and left to ``report.json``."""
    shown, left_out = _within_limits(safe.document(report))
    sources = sorted(shown.sources, key=lambda row: (not row.blamed, row.p_value, -row.share))
    findings = wording.ordered(shown)
    verdict = wording.verdict(shown)
    return (
        environment()
        .get_template("report.html")
        .render(
            report=shown,
            name=wording.subject(shown),
            data=shown.dataset,
            run=shown.run,
            verdict=verdict,
            stamp=_STAMPS[verdict.tone],
            findings=findings[:_MOST_FINDINGS],
            findings_left_out=max(len(findings) - _MOST_FINDINGS, 0),
            pages=CODES,
            flagged=pc.sum(report.rows["flagged"]).as_py() or 0,
            verdicts=_verdicts(report),
            detectors=_detectors(report),
            charts=charts(shown.power or ()),
            power_unknown=wording.POWER_UNKNOWN,
            inputs=wording.INPUTS[shown.kind],
            experiments=wording.EXPERIMENTS,
            sources=sources[:_MOST_SOURCES],
            sources_left_out=max(len(sources) - _MOST_SOURCES, 0),
            source_scale=min(max([row.high for row in sources], default=1.0) or 1.0, 1.0),
            unread_count=max(shown.dataset.unread, len(shown.unread)),
            most_unread=_MOST_UNREAD,
            classes=list(zip(shown.dataset.classes, shown.dataset.class_counts, strict=False))[:_MOST_CLASSES],
            profiles=shown.dataset.profiles[:_MOST_CLASSES],
            data_pairs=_data(shown),
            records=_records(shown),
            pictures_left_out=left_out,
        )
    )


def environment() -> Environment:
    """Templates with escaping always on, and the report's own words for numbers."""
    made = Environment(
        loader=PackageLoader("bezoar.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "share": wording.share,
        "charge": wording.charge,
        "p_value": wording.p_value,
        "number": wording.number,
        "interval": wording.interval,
        "seconds": wording.seconds,
        "moment": wording.moment,
        "prose": _prose,
    }
    made.globals |= {"interval_bar": svg.interval_bar, "columns_of": _columns}
    return made


def charts(rows: Iterable[PowerRow]) -> list[tuple[str, Markup]]:
    """A chart for each kind of planted poison: share caught against its rate, with intervals."""
    kinds: dict[str, list[PowerRow]] = {}
    for row in rows:
        if row.rate > 0:
            kinds.setdefault(row.kind, []).append(row)
    return [(kind, _power_chart(kind, sorted(members, key=lambda r: r.rate))) for kind, members in kinds.items()]


def _power_chart(kind: str, rows: list[PowerRow]) -> Markup:
    low, high = rows[0].rate / 1.5, rows[-1].rate * 1.5
    ticks = tuple((rate, wording.share(rate)) for rate in dict.fromkeys(row.rate for row in rows))
    every = -(-len(ticks) // 5)
    told = "; ".join(wording.power(row) for row in rows)
    return svg.curve(
        [(row.rate, row.power) for row in rows],
        [(row.rate, row.low, row.high) for row in rows],
        x=svg.Axis(low=low, high=high, ticks=ticks[::every], name="share of all rows that was planted", log=True),
        y=svg.Axis(low=0, high=1, ticks=svg.SHARE_TICKS, name="caught"),
        alt=f"Share of planted {kind} rows that was caught, by rate: {told}.",
        dots=True,
    )


def _within_limits(report: Document) -> tuple[Document, int]:
    """The report with as many pictures as the page may hold, the findings' own first, and how many were left out."""
    room, left_out = _PICTURE_CHARACTERS, 0

    def fits(picture: Picture) -> bool:
        nonlocal room, left_out
        if len(picture.png) > room:
            left_out += 1
            return False
        room -= len(picture.png)
        return True

    def rows(exhibits: tuple[Exhibit, ...]) -> tuple[Exhibit, ...]:
        return tuple(
            row if row.picture is None or fits(row.picture) else dataclasses.replace(row, picture=None)
            for row in exhibits[:_MOST_EXHIBITS]
        )

    findings = tuple(
        dataclasses.replace(finding, pictures=tuple(filter(fits, finding.pictures)), exhibits=rows(finding.exhibits))
        for finding in wording.ordered(report)
    )
    return dataclasses.replace(report, findings=findings, exhibits=rows(report.exhibits)), left_out


def _detectors(report: Report) -> list[str]:
    """Columns with the scores of detectors in the table of a model's classes."""
    known = {"id", "index", "deviations", "p_value", "flagged", "code"}
    return [name for name in report.rows.column_names if name not in known]


def _verdicts(report: Report) -> list[dict[str, Any]]:
    """What is known of each class of a model, the most suspicious first; nothing of a data set."""
    if report.kind != "model":
        return []
    names, rows = _detectors(report), report.rows.to_pylist()
    rows.sort(key=lambda row: (not row["flagged"], -(row["deviations"] or 0.0)))
    return [
        {**row, "id": safe.text(row["id"]), "scores": {name: row[name] for name in names}}
        for row in rows[:_MOST_CLASSES]
    ]


def _prose(text: str) -> Markup:
    """Escaped text in which `code` between backticks is set as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _columns(rows: Iterable[Exhibit]) -> list[str]:
    """Names of the cells of table rows, in their own order."""
    return list(dict.fromkeys(name for row in rows for name in row.cells))[:_MOST_COLUMNS]


def _data(report: Document) -> list[tuple[str, str]]:
    data = report.dataset
    pairs = [("Name", data.name), ("Rows are", data.modality)]
    if data.shape:
        pairs.append(("Shape of a row", " × ".join(map(str, data.shape))))
    if data.columns:
        pairs.append(("Columns", ", ".join(data.columns[:100])))
    return pairs


def _records(report: Document) -> list[tuple[str, list[tuple[str, str]]]]:
    run = report.run
    return [
        ("Arguments given", _pairs(run.arguments)),
        ("Arguments left at their defaults", _pairs(run.defaults)),
        ("Time and memory by stage", [(name, wording.spent(run, name)) for name in run.stages]),
        ("Versions", _pairs(run.versions)),
        ("Hardware", _pairs(run.hardware)),
        ("Digests (SHA-256)", _pairs(run.digests)[:100]),
    ]


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, safe.text(str(value))) for name, value in values.items()]
