"""The terminal: verdict, findings, what would have been missed, where the rest is."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from bezoar.report import terminal
from sample_reports import clean_report, failed_report, image_report


def shown(report, *, width=100, colour=False):
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colour, color_system="standard" if colour else None)
    console.print(terminal.render(report, Path("out")))
    return stream.getvalue()


def test_the_verdict_is_the_first_line_and_the_place_of_the_report_the_last():
    lines = shown(image_report()).splitlines()
    assert lines[0].strip() == "Backdoor trigger in a training set: class 7."
    assert lines[-1].strip() == "Report: out/index.html"


def test_findings_the_source_to_blame_and_what_was_missed_are_told():
    text = shown(image_report())
    for part in ("BZ101", "confirmed", "Source to blame: acme imaging: rows flagged", "would have missed"):
        assert part in text


def test_failed_checks_and_unread_rows_are_told():
    text = shown(failed_report())
    assert "Check failed: backdoor." in text
    assert "Not read: 130, such as train/7/img_0000.png" in text


def test_unknown_power_is_told():
    assert "Power is unknown" in shown(clean_report(controls=False))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_text_neither_moves_the_cursor_nor_becomes_markup(hostile, width):
    text = shown(hostile, width=width)
    assert not set("\x00\x07\x1b\x9b\u202e\r") & set(text)
    assert "[boldred]rich[/boldred]" in "".join(text.split()) or width == 40
    assert max(map(len, text.splitlines())) <= width + 3 * 20


def test_markup_in_names_gives_no_link(hostile):
    assert "\x1b]8" not in shown(hostile, colour=True)
