"""From a judgement to findings, codes, exhibits and pictures."""

import base64
import dataclasses
import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from bezoar.core.data import Unread
from bezoar.core.report import Certainty, Severity
from bezoar.core.trigger import Stamp
from bezoar.engine.findings import codes_of, exhibit, findings
from bezoar.engine.labels import Pair
from bezoar.engine.pictures import LARGEST, picture, trigger_pictures
from bezoar.engine.sources import blame
from bezoar.maths.subgroups import Subgroup
from synthetic import (
    bars,
    dataset,
    flips,
    hypothesis,
    judgement,
    no_labels,
    obeying,
    patch,
    table,
)

N = 400


@pytest.fixture
def images():
    pictures, labels = bars(N, np.random.default_rng(0))
    return dataset(pictures, labels, source=["acme", "globex"] * (N // 2))


def doubted(data, rows, **other):
    """Labels in which these rows are flagged, with the next class suggested."""
    suggested = data.labels.copy()
    suggested[rows] = (suggested[rows] + 1) % len(data.classes)
    return no_labels(data, flagged=data.mask(rows), suggested=suggested, **other)


def found(data, concluded, own=None):
    return findings(data, concluded, blame(data, concluded), own)


def test_nothing_flagged_is_no_finding(images):
    assert found(images, judgement(images)) == ()
    assert set(codes_of(images, judgement(images))) == {""}


def test_a_row_is_listed_under_the_gravest_code_that_fits(images):
    """Backdoor before contradiction before system before single label."""
    pair = Pair(given=0, true=1, rows=np.arange(1, 4))
    concluded = judgement(
        images,
        hypotheses=(hypothesis(np.array([3]), N),),
        labels=doubted(images, np.arange(4), pairs=(pair,)),
        contradicting=images.mask(np.array([2, 3])),
    )
    assert list(codes_of(images, concluded)[:5]) == ["BZ102", "BZ103", "BZ104", "BZ101", ""]


def test_a_confirmed_backdoor_is_critical_and_an_unconfirmed_one_only_suspicious(images):
    rows = np.arange(20)
    for after, severity, certainty in (
        (flips(2), Severity.CRITICAL, Certainty.CONFIRMED),
        (flips(170), Severity.HIGH, Certainty.SUSPICIOUS),
        (None, Severity.HIGH, Certainty.SUSPICIOUS),
    ):
        first = found(images, judgement(images, hypotheses=(hypothesis(rows, N, target=2, after=after),)))[0]
        assert (first.code, first.severity, first.certainty) == ("BZ101", severity, certainty)
        assert first.subject == "class c2"
        assert first.rows == 20
        assert len(first.exhibits) == 12
        assert first.exhibits[0].index == 19, "the strongest response first"
        assert all(shown.suggested == "" for shown in first.exhibits), "no label is right for a tampered row"


def test_the_evidence_of_a_backdoor_holds_the_counts_with_their_controls(images):
    claim = hypothesis(np.arange(20), N, before=flips(180, other=4, sham=6), after=flips(2))
    evidence = {item.name: item for item in found(images, judgement(images, hypotheses=(claim,)))[0].evidence}
    turned = evidence["stamped clean rows that turn to the target"]
    assert (turned.value, turned.control, turned.n) == (0.9, 0.02, 200)
    assert evidence["stamped clean rows that turn to the target after training without the suspects"].value == 0.01
    assert evidence["suspects that leave the target when the trigger is taken off"].control == 0.02


def test_the_users_own_model_is_stamped_too(images):
    """A model that obeys the trigger turns every row that it does not call the target anyway."""
    claim = hypothesis(np.arange(20), N, target=2, after=flips(2))
    for model, share_turned in ((obeying(patch(), 2), 1.0), (obeying(patch(), 1), 0.0)):
        first = found(images, judgement(images, hypotheses=(claim,)), own=model)[0]
        (own,) = (item for item in first.evidence if "your model" in item.name)
        assert own.value == share_turned
        assert own.n > 200


@pytest.mark.parametrize(("count", "severity"), [(3, Severity.LOW), (4, Severity.MEDIUM), (8, Severity.HIGH)])
def test_the_share_of_wrong_labels_sets_the_severity(images, count, severity):
    """Of 400 rows: below 1 %, from 1 % and from 2 %."""
    first = found(images, judgement(images, labels=doubted(images, np.arange(count))))[0]
    assert (first.code, first.severity, first.rows) == ("BZ102", severity, count)


def test_rows_of_a_pair_are_not_counted_again_as_single_errors(images):
    pair = Pair(given=0, true=1, rows=np.arange(10))
    listed = found(images, judgement(images, labels=doubted(images, np.arange(14), pairs=(pair,))))
    counted = {f.code: (f.subject, f.rows) for f in listed if f.code in {"BZ102", "BZ103"}}
    assert counted == {"BZ102": ("labels", 4), "BZ103": ("c1 labelled c0", 10)}


def test_findings_come_the_worst_first(images):
    concluded = judgement(
        images,
        hypotheses=(hypothesis(np.arange(20), N, after=flips(2)),),
        labels=doubted(images, np.arange(30, 33)),
        contradicting=images.mask(np.array([50, 51])),
    )
    ranks = [finding.severity.rank for finding in found(images, concluded)]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] == Severity.CRITICAL.rank


def test_a_blamed_source_is_a_finding_with_its_share_and_that_of_the_rest(images):
    rows = np.flatnonzero(images.source == "globex")[:40]
    (source,) = (f for f in found(images, judgement(images, labels=doubted(images, rows))) if f.code == "BZ105")
    assert source.subject == "source globex"
    assert (source.evidence[0].value, source.evidence[0].control, source.rows) == (0.2, 0.0, 40)


def test_what_was_not_read_is_a_finding(images):
    data = dataclasses.replace(images, unread=(Unread("a.png", "cut"), Unread("b.png", "cut")))
    (unread,) = found(data, judgement(data))
    assert (unread.code, unread.rows) == ("BZ108", 2)
    assert unread.evidence[0].n == N + 2


def test_a_group_is_named_in_the_words_of_the_table():
    cells = table(N, np.random.default_rng(0))
    data = dataset(cells, np.arange(N) % 2, 2)
    old = cells["age"].to_numpy() > 60
    group = Subgroup(
        conditions=((0, ">", 60.5),),
        rows=old,
        happened=old,
        events=30,
        expected=2.0,
        trials=120,
        lift=8.0,
        p_value=1e-9,
    )
    (first,) = found(data, judgement(data, labels=no_labels(data, groups=(group,))))
    assert (first.code, first.subject, first.rows) == ("BZ103", "age > 60.5", old.sum())
    assert first.evidence[0].value == 0.25


def test_a_row_of_a_table_is_shown_with_its_cells_bounded():
    cells = pa.table({"text": ["x" * 5_000] * 3, **{f"c{i}": [i, None, i] for i in range(60)}})
    data = dataset(cells, np.array([0, 1, 0]), 2)
    shown = exhibit(data, 1, judgement(data, labels=doubted(data, np.array([1]))), "BZ102")
    assert len(shown.cells) == 40
    assert len(shown.cells["text"]) == 200
    assert shown.cells["c0"] == ""
    assert (shown.label, shown.suggested, shown.picture) == ("c1", "c0", None)


def opened(shown):
    return Image.open(io.BytesIO(base64.b64decode(shown.png)))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "L")])
def test_pictures_of_any_number_of_channels_can_be_drawn(channels, mode):
    image = np.random.default_rng(0).integers(0, 256, (channels, 6, 9)).astype(np.uint8)
    drawn = opened(picture(image, "so"))
    assert (drawn.mode, drawn.size) == (mode, (9, 6))
    expected = np.moveaxis(image, 0, -1) if channels == 3 else image[0]
    np.testing.assert_array_equal(np.asarray(drawn), expected)


def test_large_pictures_are_shrunk_in_proportion():
    shown = picture(np.zeros((3, 200, 400), np.uint8), "so")
    assert (shown.width, shown.height) == (LARGEST, LARGEST // 2)


def test_a_picture_of_one_pixel_can_be_drawn():
    assert opened(picture(np.full((1, 1, 1), 9, np.uint8), "so")).size == (1, 1)


def test_the_trigger_is_shown_with_its_mask_and_on_clean_rows():
    clean = np.zeros((2, 1, 12, 12), np.uint8)
    shown = trigger_pictures(patch(), clean, "c2")
    assert len(shown) == 2 + 2 * 2
    np.testing.assert_array_equal(np.asarray(opened(shown[0])), patch().pattern[0])
    np.testing.assert_array_equal(np.asarray(opened(shown[-1])), patch()(clean)[0, 0])


def test_a_trigger_that_does_nothing_can_still_be_drawn():
    nothing = Stamp(mask=np.zeros((4, 4), np.float32), pattern=np.zeros((1, 4, 4), np.uint8))
    assert len(trigger_pictures(nothing, np.zeros((0, 1, 4, 4), np.uint8), "c0")) == 2
