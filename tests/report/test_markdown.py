"""Markdown: short, and deaf to what the data says."""

import re

from bezoar.report import markdown
from sample_reports import HOSTILE, clean_report, image_report

UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")


def test_the_verdict_comes_first_and_what_would_have_been_missed_is_there(found):
    text = markdown.render(found)
    assert text.startswith("# Backdoor trigger in a training set\\: class 7\\.")
    assert "What this audit would have missed" in text
    assert "Power is unknown" in markdown.render(clean_report(controls=False))


def test_a_page_is_short():
    assert len(markdown.render(image_report()).splitlines()) < 70


def test_every_table_row_has_the_columns_of_its_head(report):
    width = None
    for line in markdown.render(report).splitlines():
        if not line.startswith("|"):
            width = None
            continue
        width = width or len(UNESCAPED_PIPE.findall(line))
        assert len(UNESCAPED_PIPE.findall(line)) == width


def test_hostile_text_becomes_no_markup(hostile):
    text = markdown.render(hostile)
    assert not re.search(r"<[a-z/!]", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert "www." not in text
    assert not re.search(r"@\w", text)
    assert "a" * 2000 not in text
    assert not set("\x00\x1b\u202e\ud800") & set(text)


def test_escaped_text_reads_as_it_was():
    """Undoing CommonMark's backslash escapes and entities gives the text back."""
    for value in HOSTILE[:4]:
        plain = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown.text(value)).replace("&#8288;", "")
        assert plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == value
