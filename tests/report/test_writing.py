"""Files appear whole or not at all."""

import dataclasses
import math

import pytest

from bezoar import report as reports
from bezoar.core.errors import OutputError, ParameterError
from bezoar.core.report import Evidence

FILES = {"rows.parquet", "report.json", "index.html", "report.sarif", "junit.xml", "report.md"}


def test_every_format_is_written_by_default(report, tmp_path):
    written = reports.write(report, tmp_path / "new" / "folder")
    assert {path.name for path in written} == FILES
    assert all(path.stat().st_size for path in written)
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == FILES


def test_rows_are_written_whatever_the_format(found, tmp_path):
    assert [path.name for path in reports.write(found, tmp_path, ["md"])] == ["rows.parquet", "report.md"]


def test_an_unknown_format_is_named_before_anything_is_written(found, tmp_path):
    with pytest.raises(ParameterError, match="Got 'pdf'"):
        reports.write(found, tmp_path, ["json", "pdf"])
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_rendered_leaves_the_old_one_whole(found, tmp_path):
    reports.write(found, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = dataclasses.replace(found, estimated_poison=Evidence(name="x", value=math.nan))
    with pytest.raises(OutputError):
        reports.write(broken, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_in_the_way_of_the_folder_gives_one_line(found, tmp_path):
    (tmp_path / "report").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        reports.write(found, tmp_path / "report")


def test_the_same_report_gives_the_same_bytes(found, tmp_path):
    for name in ("a", "b"):
        reports.write(found, tmp_path / name)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
