"""The benchmarks of model audits, at sizes that take seconds, and the published search on a model whose answer is known."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from benchmarks.cases import MODEL_AUDIT
from benchmarks.model_audit import Cleansing, MoreClasses, signs
from benchmarks.sequential import Program, anomaly, seek
from benchmarks.thresholds import GOALS

from benchmarks import model_audit, programs, trainings
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.detectors.models.neural_cleanse import NeuralCleanse
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train


def briefly(data, seed):
    """A model after one pass over a few hundred rows: what it knows is not asked."""
    rows = np.arange(0, len(data), max(1, len(data) // 300))
    generator = torch.Generator().manual_seed(seed)
    return train(data.images[rows], data.labels[rows], len(data.classes), Recipe(epochs=1), generator)[0]


@pytest.mark.parametrize(
    ("case", "small"),
    [
        (
            "cleanse-fashion20k",
            Cleansing(data="digits", attack=BadNets(rate=0.05), inputs=60, program=Program(steps=30)),
        ),
        ("classes-10-to-43", MoreClasses(few=2, many=4, rows=20, inputs=24)),
    ],
)
def test_a_small_case_has_every_figure_of_the_table(case, small, monkeypatch):
    monkeypatch.setattr(programs, "share_cores", lambda: None)  # it would bind the other tests as well
    monkeypatch.setattr(trainings, "trained", briefly)
    monkeypatch.setattr(model_audit, "NeuralCleanse", partial(NeuralCleanse, steps=20))
    assert type(MODEL_AUDIT[case]) is type(small)
    result = json.loads(json.dumps(small.measure(0, controls=False), allow_nan=False))
    assert {figure.name for figure in GOALS["modelaudit"][case]} == set(result["figures"])


def found(bright, *, program, target=1):
    """What the published search finds for a model that calls a picture 1 where its first `bright` pixels are."""
    area = torch.zeros(8, 8)
    area.view(-1)[:bright] = 20 / bright
    pixels = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)) / 5

    def logits(x):
        score = (x[:, 0] * area).sum((1, 2)) - 10
        return torch.stack([-score, score], dim=1)

    return seek(logits, pixels, target, program, torch.Generator().manual_seed(1), np.random.default_rng(0))


def test_the_published_search_finds_the_smallest_mask():
    """More than half of the bright pixels have to be white: a mask of some 2 pixels of 4, and of some 9 of 16."""
    few, many = (found(bright, program=Program(steps=400)) for bright in (4, 16))
    assert few.reached
    assert many.reached
    assert 1.5 < few.norm < 4
    assert 6 < many.norm < 16


def test_the_published_search_passes_as_many_batches_as_it_is_told():
    assert found(4, program=Program(steps=7, batches=3)).updates == 21


def test_it_ends_early_only_where_it_may():
    whole = found(4, program=Program(steps=400)).updates
    early = found(4, program=Program(steps=400, early_stop=10)).updates
    assert early < whole == 400


def test_a_class_that_cannot_be_reached_says_so():
    pixels = torch.rand(8, 1, 4, 4)
    result = seek(
        lambda x: torch.stack([0 * x.sum((1, 2, 3)) + 30, 0 * x.sum((1, 2, 3))], dim=1),
        pixels,
        1,
        Program(steps=5),
        torch.Generator().manual_seed(0),
        np.random.default_rng(0),
    )
    assert not result.reached
    assert 0 < result.norm < 16


def test_the_anomaly_index_is_that_of_the_paper():
    """Norms 10, 20, 30, 40 and 1: the median is 20, the deviations 10, 0, 10, 20, 19, their median 10."""
    assert anomaly(np.array([10.0, 20.0, 30.0, 40.0, 1.0]), 4) == pytest.approx(19 / 14.826)


def test_norms_of_which_half_are_the_same_tell_no_anomaly():
    """Published programs divide by zero there."""
    assert anomaly(np.array([5.0, 5.0, 5.0, 1.0]), 3) == 0


def test_made_signs_of_few_classes_are_among_those_of_many():
    few, many = (signs(k, 3, np.random.default_rng(0)) for k in (2, 5))
    assert few.images.shape == (6, 3, 32, 32)
    assert (many.labels == np.arange(5).repeat(3)).all()
