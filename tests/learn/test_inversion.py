"""Trigger inversion on models whose smallest triggers are known in closed form."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn

from bezoar.detectors.models.neural_cleanse import Patch
from bezoar.detectors.models.universal_perturbation import Additive
from bezoar.learn.inversion import Search, invert


@dataclass(frozen=True)
class Linear:
    """Logits are 12 times the mean brightness of one area of the picture for each class."""

    areas: torch.Tensor
    network: nn.Module = field(default_factory=nn.Identity)

    @property
    def classes(self):
        return len(self.areas)

    def logits(self, pixels):
        return 12 * torch.einsum("nchw,khw->nk", pixels, self.areas) / self.areas.sum((1, 2))


def areas(*sizes):
    """Squares of these sides, apart from each other."""
    made = torch.zeros(len(sizes), 16, 16)
    corners = [(0, 0), (0, 8), (8, 0), (8, 8)]
    for area, size, (top, left) in zip(made, sizes, corners, strict=True):
        area[top : top + size, left : left + size] = 1
    return made


@pytest.fixture
def inputs():
    """Pictures each bright in the area of its own class."""
    model = Linear(areas(6, 2, 6, 6))
    labels = torch.arange(40) % 4
    pixels = 0.2 * torch.rand(40, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return model, (pixels + 0.5 * model.areas[labels][:, None]).clamp(0, 1), labels


def found(inputs, seed=0, family=None, targets=None, **settings):
    model, pixels, labels = inputs
    search = Search(**{"steps": 400, "batch": 20, **settings})
    generator = torch.Generator().manual_seed(seed)
    return invert(model, pixels, labels, family or Patch(), generator, search, targets=targets)


def test_the_class_with_the_small_area_has_the_small_patch(inputs):
    """It is reached by 4 pixels, the others by up to 36: the size tells, and the mask lies on the area."""
    result = found(inputs)
    assert (result.success >= 0.99).all()
    assert result.size.argmin() == 1
    assert result.size[1] < result.size[[0, 2, 3]].min() / 2
    mask = torch.sigmoid(2 * result.parameters["mask"][1, 0])
    assert mask[:2, 8:10].sum() > 0.8 * mask.sum()


def test_classes_are_done_by_themselves(inputs):
    """A class that no longer shrinks is passed no more; none waits for another."""
    result = found(inputs)
    assert len(set(result.steps.tolist())) > 1
    assert result.steps.max() <= 400


def test_of_many_classes_only_the_smallest_are_searched_for_to_the_end(inputs):
    """The others end sooner and a little larger; the smallest is what it is where all are searched for to the end."""
    whole, hasty = found(inputs), found(inputs, finalists=1)
    np.testing.assert_allclose(hasty.size[1], whole.size[1], rtol=0.15)
    others = [0, 2, 3]
    assert hasty.steps[others].sum() < whole.steps[others].sum()
    assert (hasty.success >= 0.99).all()
    assert (hasty.size[others] < 1.3 * whole.size[others]).all()
    assert hasty.size.argmin() == 1


@pytest.mark.parametrize("target", [1, 2])
def test_one_class_alone_is_found_as_among_others(inputs, target):
    """Classes do not disturb each other: the same draws, the same trigger. Of the others nothing is known."""
    together, alone = found(inputs), found(inputs, targets=(target,))
    np.testing.assert_allclose(alone.size[target], together.size[target], rtol=1e-3)
    assert alone.success[target] == together.success[target]
    others = np.arange(4) != target
    assert np.isinf(alone.size[others]).all()
    assert (alone.success[others] == 0).all()


def test_other_draws_find_triggers_of_the_same_sizes(inputs):
    """Within 15 %."""
    together = found(inputs)
    for seed in (1, 2):
        np.testing.assert_allclose(found(inputs, seed=seed).size, together.size, rtol=0.15)


def test_the_same_generator_gives_the_same_triggers(inputs):
    one, other = found(inputs, seed=3, steps=60), found(inputs, seed=3, steps=60)
    np.testing.assert_array_equal(one.size, other.size)
    assert all(torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters)


class Deaf(Linear):
    """A model that never gives its third class."""

    def logits(self, pixels):
        logits = super().logits(pixels)
        return torch.cat([logits[:, :2], torch.full_like(logits[:, 2:3], -30.0), logits[:, 3:]], dim=1)


def test_a_class_that_cannot_be_reached_says_so(inputs):
    model, pixels, labels = inputs
    result = invert(Deaf(model.areas), pixels, labels, Patch(), torch.Generator().manual_seed(0), Search(steps=60))
    assert result.success[2] == 0
    assert result.steps[2] == 60


@pytest.mark.parametrize("family", [Patch(), Additive()])
def test_families_stamp_every_input_under_every_trigger(family):
    pixels = torch.rand(5, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    parameters = family.start(4, (3, 12, 10), torch.Generator().manual_seed(0))
    stamped = family.stamp(parameters, pixels)
    assert stamped.shape == (4, 5, 3, 12, 10)
    assert stamped.min() >= 0
    assert stamped.max() <= 1
    assert family.size(parameters, stamped - pixels).shape == (4,)


@dataclass(frozen=True)
class Failing(Patch):
    """A patch of which that of the first class is no number in a few steps."""

    calls: list = field(default_factory=list)

    def stamp(self, parameters, pixels):
        stamped = super().stamp(parameters, pixels)
        self.calls.append(len(stamped))
        if 5 <= len(self.calls) < 8:
            stamped = torch.cat([stamped[:1] * torch.inf, stamped[1:]])
        return stamped

    def size(self, parameters, change):
        return super().size(parameters, change) + 0 * change.mean((1, 2, 3, 4))


def test_arithmetic_that_fails_in_a_step_spoils_no_trigger(inputs):
    """The class goes on from where it was; the others do not notice."""
    spoilt, whole = found(inputs, family=Failing()), found(inputs)
    assert np.isfinite(spoilt.size).all()
    assert all(torch.isfinite(value).all() for value in spoilt.parameters.values())
    assert (spoilt.success >= 0.99).all()
    assert spoilt.size[1:] == pytest.approx(whole.size[1:], rel=1e-5)
    assert spoilt.size[0] == pytest.approx(whole.size[0], rel=0.3)


def test_the_smallest_trigger_is_polished_and_nothing_else(inputs):
    """It is handed out smaller and still works; its size is told as the search found it, and the others stay as they are."""
    model, pixels, labels = inputs
    plain, polished = found(inputs), found(inputs, polish=60)
    masks = [torch.sigmoid(2 * each.parameters["mask"]) for each in (plain, polished)]
    assert polished.size.tolist() == plain.size.tolist()
    assert torch.equal(masks[0][[0, 2, 3]], masks[1][[0, 2, 3]])
    assert masks[1][1].sum() < 0.95 * masks[0][1].sum()
    stamped = Patch().stamp(polished.parameters, pixels[labels != 1])[1]
    assert (model.logits(stamped).argmax(1) == 1).float().mean() >= 0.95
