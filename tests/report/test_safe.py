"""Text from audited data cannot act on what shows it."""

import dataclasses
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezoar.core.report import Document, Picture
from bezoar.report import safe
from sample_reports import HOSTILE, image_report


@given(st.text(max_size=400))
def test_shown_text_is_one_bounded_line_without_hidden_characters(value):
    shown = safe.text(value, 60)
    assert len(shown) <= 60 + len("… (400 characters)")
    hidden = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}
    assert hidden <= {"\u200c", "\u200d"}


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=60))
def test_ordinary_text_is_shown_as_it_is(value):
    assert safe.text(value, 60) == value


def test_an_override_that_reverses_a_file_name_is_written_out():
    assert safe.text("photo_\u202egpj.exe") == "photo_\\u202egpj.exe"


def test_what_is_cut_off_is_counted():
    assert safe.text("a" * 10_000, 20) == "a" * 20 + "… (10,000 characters)"


def test_piles_of_combining_marks_are_thinned():
    assert len(safe.text("Z" + "\u0301" * 500)) < 40


def test_no_text_of_a_shown_report_is_long_or_hidden(hostile):
    texts = [text for text in _texts(safe.document(hostile)) if not text.startswith("iVBOR")]
    assert len(texts) > 500
    assert max(map(len, texts)) < 1600
    assert not any(character in text for text in texts for character in "\x00\x1b\u202e\ud800\n")


def test_a_report_without_tricks_is_shown_unchanged():
    report = image_report()
    shown = safe.document(report)
    for field in dataclasses.fields(Document):
        if field.name not in ("run",):
            assert getattr(shown, field.name) == getattr(report, field.name)


@pytest.mark.parametrize("png", ["", "<svg onload=alert(1)>", 'iVBORw0KGgo" onerror="x', "iVBORw0KGgo" + "A" * 500_000])
def test_pictures_that_are_no_small_base64_png_are_dropped(png):
    report = image_report()
    bad = Picture(png=png, caption=HOSTILE[0], width=8, height=8)
    finding = dataclasses.replace(report.findings[0], pictures=(bad, *report.findings[1].pictures))
    exhibit = dataclasses.replace(report.exhibits[0], picture=bad)
    shown = safe.document(dataclasses.replace(report, findings=(finding,), exhibits=(exhibit,)))
    assert len(shown.findings[0].pictures) == 3
    assert shown.exhibits[0].picture is None


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from _texts(member)
    elif isinstance(value, tuple | list):
        for member in value:
            yield from _texts(member)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _texts(getattr(value, field.name))
