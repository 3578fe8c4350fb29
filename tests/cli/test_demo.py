"""`bezoar demo`: the table that it ends with. The story itself is told by `make demo` and the heavy trials."""

import numpy as np
import pytest

from bezoar.cli.main import run
from bezoar.core.attack import Poisoned
from bezoar.engine import demo
from bezoar.engine.settings import Settings
from bezoar.maths.stats import wilson
from sample_reports import image_report
from synthetic import dataset


@pytest.fixture
def story(monkeypatch):
    """A story whose every number is known, told instead of the real one."""
    report = image_report()
    n = len(report.rows)
    data = dataset(np.zeros((n, 1, 2, 2), np.uint8), np.zeros(n, np.int64))
    stamped = np.arange(n) < 10
    told = demo.Story(
        report=report,
        poisoned=Poisoned(data=data, changed=stamped),
        flipped=(np.arange(n) >= 10) & (np.arange(n) < 15),
        asr=(wilson(99, 100), wilson(1, 100)),
        accuracy=(wilson(970, 1_000), wilson(975, 1_000)),
        seven_as_one=(wilson(20, 100), wilson(2, 100)),
    )
    monkeypatch.setattr(demo, "tell_story", lambda settings, **more: told)
    return told


def test_planted_and_found_rows_are_counted_by_kind(story):
    flagged = story.report.rows["flagged"].to_numpy(zero_copy_only=False)
    assert story.found["backdoor"] == (flagged[:10].sum(), 10)
    assert story.found["flips"] == (flagged[10:15].sum(), 5)
    assert story.found["false alarms"] == (flagged[15:].sum(), len(flagged) - 15)


def test_the_demo_writes_a_report_and_prints_before_and_after(story, tmp_path, capsys):
    assert run(["demo", "--out", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr().out
    assert "99" in said
    assert "What was planted, and what came of it" in said
    assert (tmp_path / "demo" / "index.html").exists()


def test_a_quiet_demo_says_nothing(story, tmp_path, capsys):
    assert run(["demo", "--out", str(tmp_path / "demo"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.effects
def test_the_whole_story_ends_well():
    told = demo.tell_story(Settings(controls=False))
    assert told.asr[0].value > 0.8
    assert told.asr[1].value <= 0.03
    assert told.accuracy[1].value > told.accuracy[0].value - 0.01
    assert {row.source for row in told.report.sources if row.blamed} == {demo.BACKDOORED_BY, demo.FLIPPED_BY}
