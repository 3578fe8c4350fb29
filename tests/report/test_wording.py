"""The same words in every format."""

import dataclasses

import pytest

from bezoar.core.report import Certainty, Status
from bezoar.report import wording
from bezoar.report.wording import Tone
from sample_reports import POWER, clean_report, failed_report, image_report


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.973, "97.3 %"),
        (0.97, "97 %"),
        (0.0021, "0.21 %"),
        (0.00001, "< 0.01 %"),
        (0.99999, "> 99.9 %"),
        (0.1, "10 %"),
        (0.01, "1 %"),
    ],
)
def test_shares_are_per_cent_with_the_digits_a_person_needs(value, shown):
    assert wording.share(value).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(1.0, "1"), (0.031, "0.031"), (2.1e-14, "2 × 10⁻¹⁴"), (0.0, "< 10⁻³⁰⁰"), (9.96e-4, "1 × 10⁻³")]
)
def test_p_values_are_short_and_never_zero(value, shown):
    assert wording.p_value(value).replace("\u00a0", " ") == shown


def test_times_are_for_people():
    assert wording.moment("2026-01-15T09:30:00+00:00") == "15 January 2026, 09:30 UTC"
    assert wording.moment("yesterday") == "yesterday"
    assert wording.seconds(185) == "3 min 05 s"


def test_the_worst_finding_leads_and_confirmed_comes_before_suspicious():
    report = image_report()
    assert [finding.code for finding in wording.ordered(report)] == ["BZ101", "BZ103", "BZ105"]
    verdict = wording.verdict(report)
    assert verdict.tone is Tone.CONFIRMED
    assert verdict.headline == "Backdoor trigger in a training set: class 7."
    assert "acme imaging" in dict(verdict.facts)["Who supplied it"][0]


def test_a_score_without_an_experiment_is_never_called_confirmed():
    report = image_report()
    suspicious = tuple(dataclasses.replace(f, certainty=Certainty.SUSPICIOUS) for f in report.findings)
    verdict = wording.verdict(dataclasses.replace(report, findings=suspicious))
    assert verdict.tone is Tone.SUSPICIOUS
    assert "experiment was made" not in " ".join(dict(verdict.facts)["How sure this is"])


def test_nothing_found_states_what_the_audit_catches():
    verdict = wording.verdict(clean_report())
    assert verdict.tone is Tone.CLEAN
    assert "93\u00a0% (95 % interval 86.3\u00a0% to 96.6\u00a0%) of badnets 3x3 patch at 0.5\u00a0%" in verdict.lead
    assert any(
        "55\u00a0%" in line and "0.1\u00a0%, 20 rows" in line
        for line in dict(verdict.facts)["What this audit would have missed"]
    )


def test_nothing_found_without_controls_says_that_power_is_unknown():
    assert wording.POWER_UNKNOWN in wording.verdict(clean_report(controls=False)).lead


def test_nothing_found_with_low_power_is_no_clean_bill():
    weak = dataclasses.replace(clean_report(), power=(POWER[0],))
    assert wording.verdict(weak).tone is Tone.UNKNOWN


def test_a_failed_check_or_an_unread_row_is_never_clean():
    assert wording.verdict(failed_report()).headline == "No verdict."
    unread = dataclasses.replace(clean_report(), unread=failed_report().unread)
    assert unread.status is Status.FAILED
    verdict = wording.verdict(unread)
    assert verdict.tone is Tone.UNKNOWN
    assert "130 files or rows could not be read" in verdict.lead
