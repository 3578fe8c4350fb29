"""The canonical JSON: what is written is what is read, and its schema is the one shipped."""

import dataclasses
import json
import math

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bezoar import report as reports
from bezoar.core.errors import InputError, OutputError
from bezoar.core.report import Document, Evidence
from bezoar.report import document


def test_a_report_reads_back_equal(report, tmp_path):
    reports.write(report, tmp_path, ["json"])
    for path in (tmp_path, tmp_path / "report.json"):
        again = document.load(path)
        # A lone surrogate has no UTF-8 form: what is read back is what was written, to the byte.
        assert document.dump(again) == document.dump(report)
        assert again.rows.equals(report.rows)


def test_documents_keep_to_the_shipped_schema(report):
    schema = document.shipped_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(document.dump(report)), schema, cls=jsonschema.Draft202012Validator)


def test_the_schema_refuses_a_document_without_checks(found):
    value = json.loads(document.dump(found))
    del value["checks"]
    with pytest.raises(jsonschema.ValidationError, match="checks"):
        jsonschema.validate(value, document.shipped_schema(), cls=jsonschema.Draft202012Validator)


def test_the_shipped_schema_is_the_one_the_types_make():
    """To renew it after a change of the types, write `document.schema()` to report/schema."""
    assert document.shipped_schema() == document.schema()


def test_keys_come_in_the_order_of_the_fields(found):
    assert list(json.loads(document.dump(found))) == [field.name for field in dataclasses.fields(Document)]


def test_optional_numbers_that_are_not_finite_become_null(found):
    evidence = Evidence(name="x", value=0.5, low=math.nan, high=math.inf)
    text = document.dump(dataclasses.replace(found, estimated_poison=evidence))
    assert json.loads(text)["estimated_poison"]["low"] is None
    assert json.loads(text)["estimated_poison"]["high"] is None
    assert "NaN" not in text


def test_a_value_that_must_be_there_and_is_not_finite_is_refused(found):
    broken = dataclasses.replace(found, estimated_poison=Evidence(name="x", value=math.nan))
    with pytest.raises(OutputError, match=r"estimated_poison\.value"):
        document.dump(broken)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a report"),
        (b"{", "not a report"),
        (b"[]", "not a report"),
        (b"\xff\xfe", "not a report"),
        (b'{"schema_version": "9.0"}', "not a report"),
        (b"[" * 100_000, "not a report"),
    ],
)
def test_a_file_that_is_no_report_gives_one_clear_line(tmp_path, content, told):
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(InputError, match=told) as caught:
        document.load(tmp_path)
    assert str(tmp_path / "report.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_newer_schema_is_refused_by_name(found, tmp_path):
    reports.write(found, tmp_path, ["json"])
    file = tmp_path / "report.json"
    file.write_text(file.read_text().replace('"schema_version": "1.0"', '"schema_version": "2.0"'))
    with pytest.raises(InputError, match=r"schema 1\.0: schema_version"):
        document.load(tmp_path)


def test_missing_files_are_named(found, tmp_path):
    with pytest.raises(InputError, match=r"report\.json: no report"):
        document.load(tmp_path)
    reports.write(found, tmp_path, ["json"])
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(InputError, match=r"rows\.parquet"):
        document.load(tmp_path)


def test_rows_that_are_no_table_or_lack_a_column_are_refused(found, tmp_path):
    reports.write(found, tmp_path, ["json"])
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match="not a Parquet file"):
        document.load(tmp_path)
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="no column index, p_value, flagged"):
        document.load(tmp_path)
