"""Pixels and channels behind a decision, on a model whose trigger is known."""

import numpy as np
import pytest
import torch

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.engine.models.attribution import SELECTIVE, attributed, integrated_gradients, selective_path
from bezoar.learn import saved
from bezoar.learn.white_box import opened, pixels_of

TARGET = 3
CORNER = np.zeros((8, 8), dtype=bool)
CORNER[-2:, -2:] = True


@pytest.fixture(scope="module")
def box(models):
    return opened(saved.load(models["backdoored"], torch.device("cpu")).model)


@pytest.fixture(scope="module")
def clean(digits):
    held_out = digits[1]
    return held_out.images[held_out.rows_not_of(TARGET)]


@pytest.fixture(scope="module")
def stamped(digits, clean):
    trigger = BadNets(rate=0.05, target=TARGET, size=2).poison(digits[0], np.random.default_rng(0)).trigger
    return trigger(clean)


def test_attributions_add_up_to_the_change_of_the_logit(box, clean, stamped):
    """Completeness, the axiom of integrated gradients; the tolerance is that of half precision."""
    baseline = clean.mean(axis=0).astype(np.uint8)
    heat = integrated_gradients(box, stamped[:8], baseline, TARGET)
    with torch.no_grad():
        end, start = (box.logits(pixels_of(images, box.device))[:, TARGET] for images in (stamped[:8], baseline[None]))
    assert heat.sum(axis=(1, 2)) == pytest.approx((end - start).numpy(), abs=0.1 * float((end - start).abs().max()))


def test_the_trigger_is_where_the_decision_comes_from(box, clean, stamped):
    """Most of what speaks for the class lies in the four pixels of the patch; of clean inputs it does not."""
    baseline = clean.mean(axis=0).astype(np.uint8)

    def within(images):
        heat = np.clip(integrated_gradients(box, images[:20], baseline, TARGET), 0, None)
        return (heat[:, CORNER].sum(axis=1) / heat.sum(axis=(1, 2))).mean()

    assert within(stamped) > 0.5
    assert within(clean) < 0.25


def test_a_channel_lights_up_for_stamped_inputs_and_none_for_other_clean_ones(box, clean, stamped):
    """The control compares clean inputs with clean inputs."""
    found = selective_path(box, stamped[::2], clean[1::2])
    assert max(channel.auroc for channel in found) >= 0.99
    assert max(channel.above for channel in found) >= 0.8
    control = selective_path(box, clean[::2], clean[1::2])
    assert max(channel.auroc for channel in control) < SELECTIVE


def test_auroc_of_a_channel_is_that_of_all_pairs(box, clean, stamped):
    for channel in selective_path(box, stamped[:15], clean[15:25]):
        assert 0 <= channel.auroc <= 1
        assert 0 <= channel.above <= channel.auroc + 1e-9


def test_a_report_gets_pictures_and_the_path(box, clean, stamped):
    told = attributed(box, stamped, clean, TARGET, "three")
    assert len(told.pictures) == 4
    assert any("in red" in each.caption for each in told.pictures)
    assert told.evidence
    assert all(0 <= each.value <= 1 for each in told.evidence)


def test_without_captum_channels_are_compared_all_the_same(box, clean, stamped, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told = attributed(box, stamped, clean, TARGET, "three")
    assert told.evidence
    assert not any("in red" in each.caption for each in told.pictures)


def test_the_network_is_left_without_hooks(box, clean, stamped):
    before = box.predict(clean[:5])
    attributed(box, stamped, clean, TARGET, "three")
    assert not any(layer._forward_hooks for layer in box.body.modules())
    assert np.array_equal(box.predict(clean[:5]), before)


def test_nothing_is_told_of_no_inputs(box, clean):
    assert attributed(box, clean[:0], clean, TARGET, "three").evidence == ()
