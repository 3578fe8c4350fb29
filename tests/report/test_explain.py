"""`bezoar explain` prints pages, and helps with a name that is nearly right."""

import pytest

from bezoar.cli.main import run
from bezoar.core.codes import CODES


@pytest.mark.parametrize("code", CODES)
def test_a_code_prints_its_page(code, capsys):
    assert run(["explain", code.lower()]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{code}  {CODES[code].title}")
    for heading in (
        "What it shows",
        "Why it matters",
        "What to do",
        "What it cannot tell",
        "References",
        "MITRE ATLAS",
    ):
        assert heading in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_method_prints_its_description(capsys):
    assert run(["explain", "badnets"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("badnets (attack)")
    assert "References" in text


@pytest.mark.parametrize(("asked", "meant"), [("BZ1O1", "BZ101"), ("badnet", "badnets"), ("bz01", "BZ101")])
def test_a_name_that_is_nearly_right_gets_a_suggestion_and_exit_2(asked, meant, capsys):
    assert run(["explain", asked]) == 2
    error = capsys.readouterr().err
    assert meant in error
    assert error.count("\n") == 1


def test_a_name_like_nothing_is_pointed_to_the_list(capsys):
    assert run(["explain", "qqqqqqqq"]) == 2
    assert "`bezoar list`" in capsys.readouterr().err
