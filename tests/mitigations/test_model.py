"""What single repairs of models do to layers, beside what the contract measures."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.mitigation import Subject
from bezoar.learn.networks import build, drawn
from bezoar.learn.white_box import WhiteBox, folded, tapped
from bezoar.maths.lipschitz import channel_bounds
from bezoar.mitigations.model import unlearning
from bezoar.mitigations.model.clp import Clp
from bezoar.mitigations.model.fine_tuning import FineTuning
from bezoar.mitigations.model.relearning import Relearning
from bezoar.mitigations.model.tuning import labelled_mixtures

CPU = torch.device("cpu")


def clean(n=60):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)
    return Dataset(inputs=images, labels=np.arange(n) % 4, classes=tuple("abcd"), ids=np.arange(n).astype(str))


def box(architecture="conv"):
    generator = torch.Generator().manual_seed(0)
    network = drawn(lambda: build(architecture, channels=1, classes=4, side=8), generator).eval()
    plain = WhiteBox(
        network=network, body=network.body, mean=torch.zeros(1), std=torch.ones(1), size=(8, 8), device=CPU
    )
    return folded(plain)


def test_the_bound_of_a_channel_is_the_largest_singular_value_of_its_weights():
    weights = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    expected = [np.linalg.svd(each.reshape(3, 4).numpy(), compute_uv=False)[0] for each in weights]
    assert channel_bounds(weights).numpy() == pytest.approx(expected, rel=1e-5)


def test_clp_silences_the_one_channel_that_answers_far_more_strongly_than_its_layer():
    loud = box()
    with torch.no_grad():
        loud.network.body[2 + 1][0].weight[7] *= 50  # the third convolution
    repaired = Clp().apply(Subject(data=clean(), model=folded(loud))).model
    norm = repaired.network.body[2 + 1][1]
    assert norm.weight[7] == norm.bias[7] == 0
    assert (norm.weight != 0).sum() == len(norm.weight) - 1


@pytest.mark.parametrize("architecture", ["conv", "vgg", "vit", "preact_resnet18"])
def test_relearning_changes_the_end_of_a_network_and_nothing_before_it(architecture):
    subject = Subject(data=clean(), model=box(architecture))
    repaired = Relearning(inputs=64, pressed=32, steps=2).apply(subject).model
    before, after = subject.model.network.state_dict(), repaired.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "head.weight" in changed
    first = next(iter(before))
    assert first not in changed, "the front is kept"
    assert any(name.startswith("body.") for name in changed)


def test_relearning_refuses_a_network_that_cannot_be_taken_apart():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 4))
    subject = Subject(data=clean(), model=tapped(network, (1, 8, 8), 4, CPU))
    with pytest.raises(InputError, match="a body in more than 1 parts with weights"):
        Relearning().apply(subject)


def test_mixtures_hold_as_much_of_each_class_as_of_its_pictures():
    """Pictures of one shade each, a class a shade: the shade of a mixture says how much of each class is in it."""
    shades = torch.tensor([0.1, 0.2, 0.4, 0.8])
    labels = torch.arange(40) % 4
    pixels = shades[labels][:, None, None, None].expand(40, 1, 8, 8)
    generator = torch.Generator().manual_seed(0)
    mixed, shares = labelled_mixtures(pixels, nn.functional.one_hot(labels, 4).float(), 200, generator)
    assert torch.allclose(mixed, (shares @ shades)[:, None, None, None].expand(200, 1, 8, 8), atol=1e-6)
    assert torch.allclose(shares.sum(1), torch.ones(200))
    assert 0.3 < (shares.amax(1) < 1).float().mean() < 0.6, "a part is mixed, a part is not"
    assert shares.amax(1).min() >= 0.5


def test_unlearning_does_not_teach_the_leaning_of_the_model_towards_the_target():
    """A student of all its opinions gives the target to inputs of other classes as often as it does; one that doubts it, less."""
    subject = Subject(data=clean(200), model=box())
    target = int(np.bincount(subject.model.predict(subject.data.images).argmax(1), minlength=4).argmax())
    subject = dataclasses.replace(subject, triggers={target: (np.copy,)})
    others = subject.data.images[subject.data.labels != target]

    def leaning(doubt):
        method = unlearning.Unlearning(steps=100, rounds=1, learning_rate=0.05, doubt=doubt)
        return float(np.exp(method.apply(subject).model.predict(others)[:, target]).mean())

    before = float(np.exp(subject.model.predict(others)[:, target]).mean())
    assert leaning(0.01) == pytest.approx(before, rel=0.1)
    assert leaning(0.9) < 0.8 * before


def test_a_repair_needs_an_open_model_and_enough_clean_inputs():
    with pytest.raises(InputError, match="whose weights can be changed"):
        FineTuning().apply(Subject(data=clean()))
    with pytest.raises(InputError, match="19 clean inputs are too few"):
        FineTuning().apply(Subject(data=clean(19), model=box()))


@pytest.mark.parametrize(("favourite", "rounds"), [(True, 5), (False, 1)])
def test_unlearning_goes_on_for_as_long_as_a_recovered_trigger_turns_held_out_inputs(monkeypatch, favourite, rounds):
    """An untrained network says the same of nearly everything; so slow a rate teaches it nothing."""
    subject = Subject(data=clean(), model=box())
    said = np.bincount(subject.model.predict(subject.data.images).argmax(1), minlength=4)
    target = int(said.argmax() if favourite else said.argmin())
    assert said.min() == 0
    trained = []
    monkeypatch.setattr(unlearning, "tuned", lambda *_, steps, **__: trained.append(steps))
    method = unlearning.Unlearning(steps=5)
    method.apply(dataclasses.replace(subject, triggers={target: (np.copy,)}))
    assert trained == [5] * rounds
