"""The canonical form of a report: JSON with a versioned schema, and the table of all rows beside it."""

import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from bezoar.core.errors import InputError, OutputError
from bezoar.core.report import SCHEMA_VERSION, Document, Report

REPORT, ROWS = "report.json", "rows.parquet"
ROW_COLUMNS = ("id", "index", "p_value", "flagged")
"""Columns without which a table of rows cannot be used."""

_ADAPTER = TypeAdapter(Document)
_MOST_BYTES = 256 * 2**20


def dump(report: Document) -> str:
    """The report's JSON, without the rows: fields in the order of :class:`Document`, no NaN, valid UTF-8.

    Optional numbers that are not finite become null.

    Raises
    ------
    OutputError
        A number that must be there is not finite.
    """
    fields = {name: getattr(report, name) for name in Document.__dataclass_fields__}
    value = _plain(_ADAPTER.dump_python(Document(**fields), mode="json", fallback=str))
    try:
        _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise OutputError(f"report: {_first(error)}.") from error
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def load(path: Path) -> Report:
    """Read a report back, with its rows.

    Parameters
    ----------
    path : a folder that holds ``report.json`` and ``rows.parquet``, or the ``report.json`` itself.

    Raises
    ------
    InputError
        A file is missing, too large, not what its name says, or of another schema version.
    """
    file = path / REPORT if path.is_dir() else path
    try:
        size = file.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"{file}: {size:,} bytes is over the limit of {_MOST_BYTES:,} for a report.")
        document = _ADAPTER.validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: no report can be read here: {error.strerror or error}.") from error
    except ValidationError as error:
        raise InputError(f"{file}: not a report of schema {SCHEMA_VERSION}: {_first(error)}.") from error
    fields = {name: getattr(document, name) for name in Document.__dataclass_fields__}
    return Report(**fields, rows=_rows(file.with_name(ROWS)))


def schema() -> dict[str, Any]:
    """The JSON Schema of ``report.json``, made from the types."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:bezoar:report:{SCHEMA_VERSION}",
        **_ADAPTER.json_schema(mode="serialization"),
        "title": f"Bezoar report {SCHEMA_VERSION}",
    }


def shipped_schema() -> dict[str, Any]:
    """The JSON Schema as shipped with the package."""
    file = resources.files("bezoar.report").joinpath("schema", f"report-{SCHEMA_VERSION}.json")
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def _rows(file: Path) -> pa.Table:
    try:
        rows = pq.read_table(file, memory_map=False)
    except OSError as error:
        raise InputError(f"{file}: the rows of the report cannot be read: {error.strerror or error}.") from error
    except pa.ArrowException as error:
        raise InputError(f"{file}: not a Parquet file: {str(error).splitlines()[0]}.") from error
    missing = [name for name in ROW_COLUMNS if name not in rows.column_names]
    if missing:
        raise InputError(f"{file}: no column {', '.join(missing)}. Columns: {', '.join(rows.column_names[:20])}.")
    return rows


def _plain(value: Any) -> Any:
    """JSON values only: no NaN or infinity, no lone surrogates."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{where}: {first['msg'].lower()}"
