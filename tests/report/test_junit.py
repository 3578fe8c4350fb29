"""JUnit XML: a case per check; unread is an error."""

from xml.etree import ElementTree as ET

from bezoar.report import junit
from sample_reports import clean_report, failed_report, image_report


def parse(report):
    return ET.fromstring(junit.render(report).encode()).find("testsuite")


def test_each_status_has_its_outcome():
    cases = {case.get("name"): [child.tag for child in case] for case in parse(image_report()).iter("testcase")}
    assert cases == {
        "backdoor": ["failure"],
        "label errors": ["failure"],
        "contradicting duplicates": [],
        "subgroup flips": ["skipped"],
    }


def test_counts_are_those_of_the_cases(report):
    suite = parse(report)
    assert int(suite.get("tests")) == len(suite.findall("testcase"))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(name)) == len(suite.findall(f"testcase/{tag}"))


def test_what_was_not_read_is_an_error_of_its_own():
    suite = parse(failed_report())
    assert [case.get("name") for case in suite.findall("testcase[error]")] == ["backdoor", "everything was read"]
    assert parse(clean_report()).get("errors") == "0"


def test_a_failure_names_the_findings_of_its_check_and_where_to_read_about_them():
    report = image_report()
    (trigger,) = (finding for finding in report.findings if finding.code == "BZ101")
    failure = parse(report).find("testcase[@name='backdoor']/failure")
    assert failure.get("type") == "BZ101"
    assert failure.get("message") == f"BZ101 {trigger.summary}"
    assert "bezoar explain BZ101" in failure.text


def test_findings_and_what_would_have_been_missed_are_in_the_output():
    text = parse(image_report()).find("system-out").text
    assert "BZ101 critical, confirmed" in text
    assert "would have missed" in text


def test_hostile_text_stays_text(hostile):
    suite = parse(hostile)
    assert {element.tag for element in suite.iter()} == {
        "testsuite",
        "testcase",
        "failure",
        "error",
        "skipped",
        "system-out",
    }
    assert "]]></system-out><evil/>" in {case.get("name") for case in suite.iter("testcase")}
    assert "a" * 2000 not in junit.render(hostile)
