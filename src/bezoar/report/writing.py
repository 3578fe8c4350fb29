"""Writes a report into a folder, in the formats asked for."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from bezoar.core.errors import ParameterError
from bezoar.core.files import write_atomically, write_text
from bezoar.core.report import Report
from bezoar.report import document, html, junit, markdown, sarif

FORMATS: dict[str, tuple[str, Callable[[Report], str]]] = {
    "json": (document.REPORT, document.dump),
    "html": ("index.html", html.render),
    "sarif": ("report.sarif", lambda report: json.dumps(sarif.render(report), indent=2) + "\n"),
    "junit": ("junit.xml", junit.render),
    "md": ("report.md", markdown.render),
}
"""Each format's file and what fills it."""


FILES = (document.ROWS, *(file for file, _ in FORMATS.values()))
"""Every file that a report may consist of."""


def require_formats(formats: Sequence[str]) -> None:
    """Raise ``ParameterError`` where a format does not exist."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ParameterError(f"`formats` must be among {', '.join(FORMATS)}. Got {unknown[0]!r}.")


def write(report: Report, folder: Path, formats: Sequence[str] = tuple(FORMATS)) -> list[Path]:
    """Write the report's files. The table of rows is always among them.

    Each file appears whole or not at all: a reader never sees half of one.

    Parameters
    ----------
    report : what to write.
    folder : where; made where it is missing. Files of an earlier report are replaced.
    formats : names from :data:`FORMATS`.

    Returns
    -------
    The files written, the rows first.

    Raises
    ------
    ParameterError
        A format that does not exist.
    OutputError
        A file cannot be written.
    """
    require_formats(formats)
    # Everything is rendered before the first file is touched: a fault in one format leaves the old report whole.
    contents = {FORMATS[name][0]: FORMATS[name][1](report) for name in formats}
    rows = write_atomically(folder / document.ROWS, lambda stream: pq.write_table(report.rows, stream))
    return [rows, *(write_text(folder / file, content) for file, content in contents.items())]
