"""The catalogue of codes is whole and points at things that exist."""

import re

import pytest

from bezoar.core.codes import CODES

SHAPES = {
    "MITRE ATLAS 5.6.1": r"AML\.[TM]\d{4}(\.\d{3})?",
    "MITRE ATLAS 2026 and later": r"AML\.T0115\.00[01]",
    "OWASP ML Top 10 2023": r"ML(0[1-9]|10):2023",
    "NIST AI 100-2e2025": r"NISTAML\.0\d{2}",
    "NIST AI RMF 1.0": r"(GOVERN|MAP|MEASURE|MANAGE) \d\.\d{1,2}",
    "STRIDE": r"Spoofing|Tampering|Repudiation|Information disclosure|Denial of service|Elevation of privilege",
}


@pytest.mark.parametrize("code", CODES)
def test_every_page_answers_all_four_questions_and_cites_something(code):
    page = CODES[code]
    for part in (page.shows, page.matters, page.remedy, page.cannot_tell):
        assert len(part) > 60
        assert part.endswith(".")
    assert page.references
    assert re.fullmatch(r"BZ[1-6]\d{2}", page.code)
    assert page.code == code


@pytest.mark.parametrize("code", CODES)
def test_identifiers_have_the_form_that_their_framework_gives_them(code):
    framework = CODES[code].framework()
    assert set(framework) >= set(SHAPES) - {"MITRE ATLAS 2026 and later"}
    for name, identifiers in framework.items():
        for identifier in identifiers:
            assert re.fullmatch(SHAPES[name], identifier), (name, identifier)


def test_techniques_that_moved_are_listed_under_both_editions():
    framework = CODES["BZ105"].framework()
    assert "AML.T0019" in framework["MITRE ATLAS 5.6.1"]
    assert framework["MITRE ATLAS 2026 and later"] == ("AML.T0115.000",)


def test_codes_whose_techniques_stayed_name_one_edition_only():
    assert "MITRE ATLAS 2026 and later" not in CODES["BZ102"].framework()
