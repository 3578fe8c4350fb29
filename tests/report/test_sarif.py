"""SARIF 2.1.0, against the official schema."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from bezoar.report import sarif
from sample_reports import HOSTILE, failed_report, image_report, run

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def fingerprints(report):
    return [result["partialFingerprints"]["bezoarFinding/v1"] for result in sarif.render(report)["runs"][0]["results"]]


def test_every_report_keeps_to_the_official_schema(report):
    VALIDATOR.validate(json.loads(json.dumps(sarif.render(report))))


def test_the_schema_in_use_can_refuse(found):
    log = sarif.render(found)
    log["runs"][0]["results"][0]["level"] = "dreadful"
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(log)


def test_there_is_one_result_per_finding_with_its_rule(found):
    log = sarif.render(found)["runs"][0]
    rules = log["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in log["results"]] == [f.code for f in found.findings]
    assert [result["level"] for result in log["results"]] == ["error"] * 3
    assert "MITRE ATLAS 5.6.1: AML.T0020" in rules[0]["properties"]["tags"]
    assert all(rule["help"]["text"] for rule in rules)


def test_fingerprints_outlive_the_run_and_tell_subjects_apart():
    report = image_report()
    later = dataclasses.replace(report, run=run(started="2027-02-01T00:00:00+00:00", seconds=1.0, seed=9))
    worse = dataclasses.replace(
        report, findings=tuple(dataclasses.replace(f, rows=f.rows + 7) for f in report.findings)
    )
    assert fingerprints(report) == fingerprints(later) == fingerprints(worse)
    other = dataclasses.replace(report.findings[0], subject="class 8")
    assert fingerprints(dataclasses.replace(report, findings=(other,))) != fingerprints(report)[:1]
    twice = fingerprints(dataclasses.replace(report, findings=(other, other)))
    assert len(set(twice)) == 2


def test_names_that_would_run_together_have_different_fingerprints(found):
    def named(code, subject):
        finding = dataclasses.replace(found.findings[0], code=code, subject=subject)
        return fingerprints(dataclasses.replace(found, findings=(finding,)))

    assert named("BZ101", "2x") != named("BZ1012", "x")


def test_failed_checks_and_unread_rows_are_told():
    invocation = sarif.render(failed_report())["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    levels = [notice["level"] for notice in invocation["toolExecutionNotifications"]]
    assert levels.count("error") == 1
    assert levels.count("warning") == 130


def test_times_are_utc(found):
    invocation = sarif.render(found)["runs"][0]["invocations"][0]
    assert invocation["startTimeUtc"] == "2026-01-15T09:30:00.000Z"
    assert invocation["endTimeUtc"] == "2026-01-15T09:31:23.400Z"


def test_a_name_cannot_become_a_link_a_placeholder_or_a_scheme(found):
    finding = dataclasses.replace(found.findings[0], summary="[x](http://example.com) {0}")
    data = dataclasses.replace(found.dataset, name="javascript:alert(1)")
    log = sarif.render(dataclasses.replace(found, findings=(finding,), dataset=data))["runs"][0]
    assert "\\[x\\](http://example.com) {{0}}" in log["results"][0]["message"]["text"]
    assert log["artifacts"][0]["location"]["uri"] == "javascript%3Aalert%281%29"


def test_hostile_text_is_bounded(hostile):
    text = json.dumps(sarif.render(hostile))
    assert "a" * 2000 not in text
    assert HOSTILE[5] not in text
