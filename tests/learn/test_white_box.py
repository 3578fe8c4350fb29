"""Networks opened from pixels to logits."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from bezoar.core.errors import InputError
from bezoar.core.model import HasGradients
from bezoar.learn.networks import build
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel, train
from bezoar.learn.white_box import copied, folded, opened, pixels_of, tapped

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(digits):
    recipe = Recipe(epochs=3, batch_size=32, precision="float32")
    return train(digits.images, digits.labels, 10, recipe, torch.Generator().manual_seed(0))[0]


def test_an_opened_model_predicts_what_the_model_does(model, digits):
    """Folding and another scale of the pixels change nothing but the rounding (bfloat16 where the processor has it)."""
    np.testing.assert_allclose(opened(model).predict(digits.images), model.predict(digits.images), atol=0.15)
    agree = opened(model).predict(digits.images).argmax(1) == model.predict(digits.images).argmax(1)
    assert agree.mean() > 0.99


def test_an_opened_model_has_gradients_of_pixels_and_none_of_weights(model, digits):
    box = opened(model)
    pixels = pixels_of(digits.images[:4], CPU).requires_grad_()
    box.logits(pixels)[:, 0].sum().backward()
    assert isinstance(box, HasGradients)
    assert pixels.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in box.network.parameters())


@pytest.mark.parametrize("architecture", ["conv", "vgg"])
def test_rectifying_after_the_largest_are_taken_changes_no_answer_and_no_gradient(architecture):
    """To the last bit: both orders keep the same pixels, in whatever precision."""
    made = build(architecture, channels=1, classes=10, side=28).eval()
    trained = NetworkModel(
        network=made,
        mean=torch.full((1,), 90.0),
        std=torch.full((1,), 60.0),
        recipe=Recipe(architecture=architecture),
        size=(28, 28),
        device=CPU,
    )
    box = opened(trained)
    plain = copy.deepcopy(box.body)
    for part in plain.modules():
        for name, after in list(part.named_children()):
            if isinstance(after, nn.Sequential) and isinstance(after[0], nn.MaxPool2d):
                setattr(part, name, nn.Sequential(nn.ReLU(), after[0]))
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in plain.modules()) >= 1
    answers, gradients = [], []
    for body in (box.body, plain):
        pixels = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(1)).requires_grad_()
        logits = dataclasses.replace(box, body=body).logits(pixels)
        logits[:, 3].sum().backward()
        answers.append(logits.detach())
        gradients.append(pixels.grad)
    assert torch.equal(*answers)
    assert torch.equal(*gradients)
    assert gradients[0].abs().sum() > 0


def test_changing_a_copy_leaves_the_model_alone(model, digits):
    box = opened(model)
    before = box.predict(digits.images[:20])
    changed = copied(box)
    with torch.no_grad():
        changed.network.head.weight.zero_()
    np.testing.assert_array_equal(box.predict(digits.images[:20]), before)
    same = folded(changed).predict(digits.images[:20])
    assert np.allclose(same, same[:1], atol=1e-5), "without weights the head says the same of every image"


class Foreign(nn.Module):
    """Somebody's network, written in one piece."""

    def __init__(self, after=None):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.hidden, self.out = nn.Linear(6 * 16, 12), nn.Linear(12, 10)
        self.after = after

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        x = self.out(torch.relu(self.hidden(x.flatten(1))))
        return x if self.after is None else self.after(x)


def test_anybodys_network_is_cut_before_its_last_linear_layer(digits):
    torch.manual_seed(0)
    network = Foreign().eval()
    box = tapped(network, (1, 8, 8), 10, CPU)
    pixels = pixels_of(digits.images[:9], CPU)
    with torch.no_grad():
        assert box.embed(pixels).shape == (9, 12)
        torch.testing.assert_close(box.logits(pixels), network(pixels), atol=0.05, rtol=0.05)


def test_log_probabilities_as_an_ending_are_as_good_as_logits():
    tapped(Foreign(after=nn.LogSoftmax(dim=1)), (1, 8, 8), 10, CPU)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Foreign(after=torch.square), "goes on after"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), "10"),
        (nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten()), "no linear layer"),
        (nn.Sequential(nn.Linear(3, 10)), "fails on images"),
        (nn.Conv2d(1, 10, 3), "tensor of logits"),
    ],
)
def test_a_network_that_cannot_be_cut_is_refused_with_the_reason(network, message):
    with pytest.raises(InputError, match=message):
        tapped(network, (1, 8, 8), 10, CPU)
