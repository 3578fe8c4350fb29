"""What stands out from clean models."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from bezoar.core.errors import InputError
from bezoar.data import read
from bezoar.engine.models import nulls
from bezoar.engine.models.calibrating import Calibration, calibrate
from bezoar.engine.models.nulls import Null, hold

CLASSES = tuple("abcdefgh")
USUAL = np.array([3.0, 3.5, 4.0, 2.5, 3.2, 5.0, 3.1, 3.3])


def made_up(rng, models=40, detectors=("one", "two")):
    """Clean models: each class has a size of its own, each model one for all, and a little noise."""
    scores = {
        name: tuple(tuple(-(USUAL + rng.normal(0, 0.3) + rng.normal(0, 0.1, len(CLASSES)))) for _ in range(models))
        for name in detectors
    }
    return Null(
        architecture="conv",
        shape=(1, 8, 8),
        classes=CLASSES,
        inputs=60,
        recipe={},
        scores=scores,
        settings={name: {} for name in detectors},
    )


def one_model(rng, *, target=None, smaller=0.0):
    scores = {}
    for name in ("one", "two"):
        logs = USUAL + rng.normal(0, 0.3) + rng.normal(0, 0.1, len(CLASSES))
        if target is not None and name == "one":
            logs[target] -= smaller
        scores[name] = -logs
    return scores


def test_a_class_that_is_small_by_nature_does_not_stand_out():
    """Class d is small and f large in every clean model: neither is an alarm, nor is another recipe's shift of all."""
    rng = np.random.default_rng(0)
    null = made_up(rng)
    tails = [hold(one_model(rng), null, same=True).tail.min() for _ in range(200)]
    assert np.mean(np.array(tails) <= 0.01) <= 0.03
    assert np.mean(np.array(tails) <= 0.1) <= 0.17


def test_p_values_of_clean_models_are_uniform():
    """Exchangeable with those of the null: at most 5 % of 200 lie at or below 5 %, with three standard errors of room."""
    rng = np.random.default_rng(1)
    null = made_up(rng, models=59)
    p = np.array([hold(one_model(rng), null, same=True).p_values.min() for _ in range(200)])
    assert np.mean(p <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert 0.4 < p.mean() < 0.6


@pytest.mark.parametrize("target", [0, 3, 5])
def test_a_class_whose_trigger_is_much_smaller_than_in_clean_models_stands_out(target):
    """Also one that is large by nature, and is no smaller than others now."""
    rng = np.random.default_rng(2)
    held = hold(one_model(rng, target=target, smaller=1.0), made_up(rng), same=True)
    assert held.deviations.argmax() == target
    assert held.tail[target] < 1e-3
    assert held.p_values[target] == 1 / 41


def test_models_with_other_classes_are_compared_within_themselves():
    """Nothing is known of their classes: only what is smaller than all others by far stands out."""
    rng = np.random.default_rng(3)
    held = hold(one_model(rng, target=0, smaller=0.4), made_up(rng), same=False)
    plain = hold(one_model(rng, target=0, smaller=4.0), made_up(rng), same=False)
    assert held.tail[0] > 0.01
    assert plain.tail[0] < 0.01


def test_a_null_knows_its_own_task_and_not_another_with_the_same_names():
    """Digits know digits. Noise with their labels, digits with labels moved by one, and other names are other tasks."""
    digits = read("digits")
    null = nulls.shipped("conv", digits)
    assert null.knows(digits)
    noise = np.random.default_rng(0).integers(0, 256, digits.images.shape).astype(np.uint8)
    assert not null.knows(dataclasses.replace(digits, inputs=noise, hashed=None))
    assert not null.knows(dataclasses.replace(digits, labels=(digits.labels + 1) % 10))
    assert not null.knows(dataclasses.replace(digits, classes=tuple(f"digit {name}" for name in digits.classes)))


def test_photographs_that_look_alike_are_known_by_what_little_their_looks_tell():
    """Pictures of which a third look like their class: a null that was made of such ones knows them, one of plain ones does not."""
    rng = np.random.default_rng(0)
    digits = read("digits")
    hazy = np.where(rng.random(len(digits)) < 0.3, digits.labels, rng.integers(0, 10, len(digits)))
    photographs = dataclasses.replace(digits, labels=hazy)
    plain = nulls.shipped("conv", digits)
    told = nulls.told(plain.looks, photographs)
    assert 0.25 < told < 0.45 < nulls.told(plain.looks, digits)
    assert not plain.knows(photographs)
    assert dataclasses.replace(plain, told=told).knows(photographs.take(np.arange(130)))
    moved = dataclasses.replace(photographs, labels=(hazy + 1) % 10)
    assert not dataclasses.replace(plain, told=told).knows(moved)


@pytest.mark.skipif("BEZOAR_DATA" not in os.environ, reason="BEZOAR_DATA is not set: no photographs at hand")
def test_the_null_that_is_shipped_for_photographs_knows_them():
    """Ten draws of the 130 inputs of an audit; clothes, and photographs in grey, are another task for it."""
    photographs = read(Path(os.environ["BEZOAR_DATA"]) / "image" / "cifar10_test.parquet").take(np.arange(3_000, 6_000))
    null = nulls.shipped("preact_resnet18", photographs)
    assert null.shape == (3, 32, 32)
    assert null.models == 20
    rng = np.random.default_rng(0)
    draws = [photographs.take(rng.permutation(3_000)[:130]) for _ in range(10)]
    assert all(null.knows(draw) for draw in draws)
    grey = photographs.images.mean(axis=1, keepdims=True).astype(np.uint8)
    assert not null.knows(dataclasses.replace(photographs, inputs=grey, hashed=None))
    assert not null.knows(dataclasses.replace(photographs, labels=(photographs.labels + 1) % 10))


def test_a_null_is_the_same_when_it_is_read_back(tmp_path):
    null = made_up(np.random.default_rng(0))
    path = nulls.write(tmp_path / "null.json", null)
    assert nulls.read(path) == null


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.update(form="other"), "20 models"),
        (lambda table: table["scores"]["one"].pop(), "20 models"),
        (lambda table: table.update(classes=["a"]), "20 models"),
        (lambda table: table["scores"].update(one=[], two=[]), "not a null"),
        (lambda table: table.update(looks=[[1, 2]]), "looks"),
        (lambda table: table.pop("architecture"), "not a null"),
        (lambda table: table["scores"]["one"][0].__setitem__(0, "x"), "not a null"),
    ],
)
def test_a_null_that_is_none_is_refused(tmp_path, change, message):
    path = nulls.write(tmp_path / "null.json", made_up(np.random.default_rng(0)))
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    with pytest.raises(InputError, match=message):
        nulls.read(path)


def test_too_few_models_make_no_null(tmp_path):
    path = nulls.write(tmp_path / "null.json", made_up(np.random.default_rng(0), models=19))
    with pytest.raises(InputError, match="20 models"):
        nulls.read(path)


def test_a_detector_without_a_null_is_named():
    with pytest.raises(InputError, match="three"):
        made_up(np.random.default_rng(0)).only(("one", "three"))


def test_scores_of_a_null_do_not_judge_themselves():
    """Each clean model is held against the others: a fleet of which one stands out has one that stands out."""
    null = made_up(np.random.default_rng(0))
    table = [list(row) for row in null.scores["one"]]
    table[7][2] += 3.0
    wild = dataclasses.replace(null, scores=null.scores | {"one": tuple(map(tuple, table))})
    held = hold(one_model(np.random.default_rng(9), target=2, smaller=3.0), wild, same=True)
    assert held.p_values[2] in (1 / 41, 2 / 41)


def calibrated(**named):
    data = read("digits").take(np.arange(600))
    way = Calibration(
        data=data.take(np.arange(400)),
        clean=data.take(np.arange(400, 600)),
        architecture="conv",
        inputs=20,
        detectors=("maximum_margin",),
        **named,
    )
    return calibrate(way, models=20, rng=np.random.default_rng(0), device=torch.device("cpu"), tell=lambda share: None)


def test_a_null_is_made_of_clean_models_of_several_recipes():
    """Twenty models trained for one epoch or two; each detector asked for has a score for each class of each."""
    null = calibrated()
    assert np.asarray(null.scores["maximum_margin"]).shape == (20, 10)
    assert null.classes == read("digits").classes
    assert len({row for row in null.scores["maximum_margin"]}) == 20
    assert len(null.recipe["accuracy"]) == 20


def test_a_null_can_be_made_of_somebodys_network(code):
    null = calibrated(code=code)
    assert null.architecture == code
    assert len({row for row in null.scores["maximum_margin"]}) == 20
    assert null == calibrated(code=code), "what it draws at the beginning is drawn from the seed"
    with pytest.raises(InputError, match="is one network. To train several, name its class"):
        calibrated(code=code.replace("Somebodys", "one"))


def test_too_few_models_are_refused_before_any_is_trained():
    data = read("digits")
    with pytest.raises(InputError, match="at least 20"):
        calibrate(
            Calibration(data=data, clean=data, architecture="conv", inputs=20),
            models=5,
            rng=np.random.default_rng(0),
            device=torch.device("cpu"),
            tell=lambda share: None,
        )
