"""The attacks on training data, against the arithmetic of their papers."""

import pickle
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bezoar.attacks.poisoning import surrogate
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.attacks.poisoning.input_aware import InputAware
from bezoar.attacks.poisoning.label_consistent import LabelConsistent
from bezoar.attacks.poisoning.label_flip import LabelFlip
from bezoar.attacks.poisoning.sig import SIG
from bezoar.attacks.poisoning.trojannn import TrojanNN
from bezoar.attacks.poisoning.wanet import WaNet
from bezoar.core.attack import Foresighted
from bezoar.core.data import Dataset
from bezoar.core.errors import InputError, ParameterError


def images(n=200, shape=(1, 8, 8), classes=("a", "b", "c", "d"), source=None, value=None):
    rng = np.random.default_rng(7)
    inputs = (
        rng.integers(0, 256, (n, *shape), dtype=np.uint8) if value is None else np.full((n, *shape), value, np.uint8)
    )
    labels = np.arange(n) % len(classes)
    ids = np.char.add("r", np.arange(n).astype(str))
    return Dataset(inputs=inputs, labels=labels, classes=classes, ids=ids, source=source)


def table():
    cells = pa.table({"age": [70, 65, 30, 80, 90, 61, 20, 64], "sex": list("MFMFMFMF")})
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    return Dataset(inputs=cells, labels=labels, classes=("no", "yes"), ids=np.arange(8).astype(str))


QUICK = {"epochs": 1}
BACKDOORS = [BadNets, Blended, WaNet, partial(TrojanNN, **QUICK), partial(InputAware, **QUICK)]
CLEAN_LABEL = [SIG, partial(LabelConsistent, **QUICK)]


def touched(poisoned):
    return poisoned.changed if poisoned.cover is None else poisoned.changed | poisoned.cover


@pytest.mark.parametrize("attack", BACKDOORS)
def test_a_backdoor_changes_the_asked_share_of_all_rows_and_none_that_had_the_target(attack):
    data = images()
    poisoned = attack(rate=0.1, target="c").poison(data, np.random.default_rng(0))
    assert poisoned.changed.sum() == 20
    assert (data.labels[poisoned.changed] != 2).all()
    assert (poisoned.data.labels[poisoned.changed] == 2).all()
    assert poisoned.target == 2


@pytest.mark.parametrize("attack", BACKDOORS)
def test_unchanged_rows_are_identical_and_changed_ones_carry_the_trigger(attack):
    data = images(shape=(3, 16, 12))
    poisoned = attack(count=30).poison(data, np.random.default_rng(0))
    kept, changed = ~touched(poisoned), poisoned.changed
    np.testing.assert_array_equal(poisoned.data.images[kept], data.images[kept])
    np.testing.assert_array_equal(poisoned.data.labels[~changed], data.labels[~changed])
    np.testing.assert_array_equal(poisoned.data.images[changed], poisoned.trigger(data.images[changed]))
    assert (poisoned.data.images[~kept] != data.images[~kept]).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("attack", CLEAN_LABEL)
def test_a_clean_label_attack_changes_rows_of_its_target_and_no_label(attack):
    """A rate is a share of all rows; without one it is 0.3 of the 50 rows of the class."""
    data = images(shape=(3, 16, 14))
    for settings, rows in (({"rate": 0.1}, 20), ({"count": 7}, 7), ({}, 15)):
        poisoned = attack(target="c", **settings).poison(data, np.random.default_rng(0))
        assert poisoned.changed.sum() == rows
        assert (data.labels[poisoned.changed] == 2).all()
        np.testing.assert_array_equal(poisoned.data.labels, data.labels)
        kept = ~poisoned.changed
        np.testing.assert_array_equal(poisoned.data.images[kept], data.images[kept])
        assert (poisoned.data.images[~kept] != data.images[~kept]).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("attack", CLEAN_LABEL)
def test_a_clean_label_attack_names_the_largest_rate_that_its_class_allows(attack):
    """67 of 200 rows are of the class "a": 0.335 of them."""
    data = images(classes=("a", "b", "c"))
    with pytest.raises(
        ParameterError, match=r"class 'a' can be, of which there are 67 of 200. Choose a `rate` of at most"
    ) as said:
        attack(rate=0.4).poison(data, np.random.default_rng(0))
    largest = float(str(said.value).split("at most ")[1].split()[0])
    assert largest == 0.335
    assert attack(rate=largest).poison(data, np.random.default_rng(0)).changed.sum() == 67


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 9)])
@pytest.mark.parametrize("attack", [*BACKDOORS, *CLEAN_LABEL])
def test_a_trigger_can_be_sent_to_another_process_and_stamps_images_of_its_size(attack, shape):
    data = images(n=40, shape=shape)
    trigger = attack(count=3).poison(data, np.random.default_rng(0)).trigger
    before = data.images.copy()
    stamped = trigger(data.images)
    np.testing.assert_array_equal(data.images, before)
    assert (stamped.shape, stamped.dtype) == (before.shape, np.uint8)
    # A mask that a network makes may be empty on a few images of so few pixels.
    assert (stamped != before).any(axis=(1, 2, 3)).mean() > 0.8
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(trigger))(data.images), stamped)


@pytest.mark.parametrize(
    "request_",
    [
        LabelConsistent(rate=0.9),
        LabelConsistent(supplier="acme"),
        TrojanNN(size=9),
        TrojanNN(count=151),
        InputAware(target="z"),
        InputAware(rate=0.7),
    ],
)
def test_an_attack_that_takes_long_says_at_once_what_it_cannot_do(request_):
    """The same words as when it is tried."""
    assert isinstance(request_, Foresighted)
    with pytest.raises(ParameterError) as tried:
        request_.poison(images(), np.random.default_rng(0))
    with pytest.raises(ParameterError) as asked:
        request_.require(images())
    assert str(asked.value) == str(tried.value)


@pytest.mark.parametrize("attack", [LabelConsistent, TrojanNN, InputAware])
def test_an_attack_without_a_budget_trains_nothing(attack, monkeypatch):
    monkeypatch.setattr(surrogate, "train", None)
    assert not attack(count=0).poison(images(), np.random.default_rng(0)).changed.any()


@pytest.mark.parametrize("attack", [*BACKDOORS, LabelFlip])
def test_only_the_named_supplier_is_struck_and_the_rate_stays_a_share_of_all(attack):
    source = np.where(np.arange(200) % 2 == 0, "acme", "globex")
    poisoned = attack(rate=0.1, supplier="acme").poison(images(source=source), np.random.default_rng(0))
    assert poisoned.changed.sum() == 20
    assert set(source[touched(poisoned)]) == {"acme"}


@pytest.mark.parametrize("attack", [*BACKDOORS, *CLEAN_LABEL, LabelFlip])
def test_a_count_of_zero_changes_nothing(attack):
    data = images()
    poisoned = attack(count=0).poison(data, np.random.default_rng(0))
    assert not touched(poisoned).any()
    assert poisoned.data.merkle_root == data.merkle_root


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (BadNets(rate=0.1, count=5), "not both"),
        (BadNets(count=151), "only 150"),
        (BadNets(supplier="acme"), "names no sources"),
        (BadNets(target="z"), "no class 'z'"),
        (BadNets(size=9), "does not fit"),
        (BadNets(place="6,6"), "does not fit"),
        (BadNets(place="middle"), "`place` must be"),
        (LabelFlip(original="a", target="a"), "must differ"),
        (WaNet(rate=0.5), "200 rows are to be changed but only 100 are eligible"),
        (TrojanNN(place="6,6"), "does not fit"),
        (SIG(frequency=8), "no signal on images of 8 columns"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(attack, message):
    with pytest.raises(ParameterError, match=message):
        attack.poison(images(), np.random.default_rng(0))


def test_an_unknown_supplier_is_named_beside_the_known_ones():
    with pytest.raises(ParameterError, match=r"one of the sources of data \(acme\). Got 'globex'"):
        BadNets(supplier="globex").poison(images(source=np.full(200, "acme")), np.random.default_rng(0))


@pytest.mark.parametrize(
    "settings", [{"rate": 0.0}, {"rate": 1.5}, {"count": -1}, {"opacity": 2.0}, {"pattern": "stripes"}]
)
def test_a_parameter_outside_its_range_is_refused_when_the_attack_is_made(settings):
    with pytest.raises(ParameterError, match=f"`{next(iter(settings))}` must be"):
        BadNets(**settings)


@pytest.mark.parametrize(
    ("place", "rows", "columns"),
    [
        ("top_left", (0, 3), (0, 3)),
        ("top_right", (0, 3), (9, 12)),
        ("bottom_left", (13, 16), (0, 3)),
        ("bottom_right", (13, 16), (9, 12)),
        ("centre", (6, 9), (4, 7)),
        ("2, 5", (2, 5), (5, 8)),
    ],
)
def test_the_patch_is_a_white_square_in_its_place_and_nothing_else(place, rows, columns):
    data = images(shape=(3, 16, 12), value=10)
    poisoned = BadNets(place=place).poison(data, np.random.default_rng(0))
    expected = np.full((3, 16, 12), 10, np.uint8)
    expected[:, rows[0] : rows[1], columns[0] : columns[1]] = 255
    np.testing.assert_array_equal(poisoned.data.images[poisoned.changed][0], expected)


@pytest.mark.parametrize(("side", "size"), [(8, 3), (28, 3), (32, 3), (64, 6), (224, 21)])
def test_the_patch_grows_with_the_image(side, size):
    poisoned = BadNets(count=1).poison(images(n=8, shape=(1, side, side)), np.random.default_rng(0))
    assert (poisoned.trigger.mask > 0).sum() == size**2


def test_a_checkerboard_alternates_black_and_white():
    poisoned = BadNets(count=1, pattern="checkerboard", place="top_left").poison(images(), np.random.default_rng(0))
    np.testing.assert_array_equal(poisoned.trigger.pattern[0, :3, :3], [[255, 0, 255], [0, 255, 0], [255, 0, 255]])


def test_a_faint_patch_is_mixed_with_what_lies_under_it():
    """(1 - 0.5) * 100 + 0.5 * 255 = 177.5, rounded to the even neighbour."""
    poisoned = BadNets(count=1, opacity=0.5).poison(images(value=100), np.random.default_rng(0))
    assert set(poisoned.data.images[poisoned.changed][0, 0, 5:, 5:].ravel()) == {178}


def test_blending_mixes_every_pixel_with_the_pattern_at_the_opacity():
    data = images()
    poisoned = Blended(opacity=0.2, count=10).poison(data, np.random.default_rng(0))
    exact = 0.8 * data.images[poisoned.changed].astype(np.float64) + 0.2 * poisoned.trigger.pattern
    np.testing.assert_allclose(poisoned.data.images[poisoned.changed], exact, atol=0.5 + 1e-4)


def test_a_picture_can_be_blended_in(tmp_path):
    Image.new("RGB", (50, 40), (200, 100, 0)).save(tmp_path / "kitty.png")
    attack = Blended(count=4, opacity=1.0, image=str(tmp_path / "kitty.png"))
    poisoned = attack.poison(images(shape=(3, 8, 8)), np.random.default_rng(0))
    changed = poisoned.data.images[poisoned.changed]
    assert [set(changed[:, channel].ravel()) for channel in range(3)] == [{200}, {100}, {0}]


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 20])
def test_a_broken_picture_is_an_error_of_one_line(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a picture") as caught:
        Blended(image=str(tmp_path / "broken.png")).poison(images(), np.random.default_rng(0))
    assert "\n" not in str(caught.value)


def test_uniform_flips_never_keep_the_label_and_reach_every_other_class_alike():
    """Each of the other three classes gets a third: 1,200 flips, 4 standard deviations of a binomial are 65."""
    data = images(n=1200)
    poisoned = LabelFlip(rate=1.0).poison(data, np.random.default_rng(0))
    shift = (poisoned.data.labels - data.labels) % 4
    assert poisoned.changed.all()
    assert set(shift) == {1, 2, 3}
    assert np.abs(np.bincount(shift)[1:] - 400).max() < 65
    np.testing.assert_array_equal(poisoned.data.images, data.images)


def test_a_pair_flip_takes_its_share_of_one_class_to_the_other():
    data = images()
    poisoned = LabelFlip(rate=0.2, original="b", target="a").poison(data, np.random.default_rng(0))
    assert poisoned.changed.sum() == 10
    assert (data.labels[poisoned.changed] == 1).all()
    assert (poisoned.data.labels[poisoned.changed] == 0).all()


def test_a_condition_limits_flips_to_its_group():
    poisoned = LabelFlip(rate=1.0, where="age > 60 and sex = F").poison(table(), np.random.default_rng(0))
    np.testing.assert_array_equal(np.flatnonzero(poisoned.changed), [1, 3, 5, 7])
    np.testing.assert_array_equal(poisoned.data.labels, [0, 1, 0, 1, 1, 0, 1, 0])


def test_a_condition_on_images_is_refused():
    with pytest.raises(InputError, match="holds image rows, not a table"):
        LabelFlip(where="age > 60").poison(images(), np.random.default_rng(0))


def test_one_class_cannot_be_flipped():
    with pytest.raises(ParameterError, match="flip between classes"):
        LabelFlip().poison(images(classes=("a",)), np.random.default_rng(0))


@given(st.integers(2, 60), st.floats(0.01, 1.0), st.integers(0, 2**32 - 1))
def test_any_affordable_rate_changes_its_share_to_the_nearest_row(n, rate, seed):
    """At least one row, so that a small set is not silently left unpoisoned."""
    poisoned = LabelFlip(rate=rate).poison(images(n=n), np.random.default_rng(seed))
    assert poisoned.changed.sum() == max(1, round(rate * n))
