"""Architectures."""

import pytest
import torch

from bezoar.learn.networks import ConvNet, PreActResNet18, build


def test_preact_resnet18_has_the_parameters_of_the_paper():
    """Convolutions 11,159,232, normalisation 6,784 in blocks and 1,024 after them, head 5,130 (counted by hand)."""
    count = sum(parameter.numel() for parameter in PreActResNet18(3, 10).parameters())
    assert count == 11_159_232 + 6_784 + 1_024 + 5_130


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 20), (64, 64)])
@pytest.mark.parametrize(("name", "width"), [("conv", 128), ("preact_resnet18", 512)])
def test_networks_give_features_and_logits_for_every_size(name, width, size, channels):
    network = build(name, channels=channels, classes=7, side=max(size)).eval()
    images = torch.zeros(2, channels, *size)
    with torch.inference_mode():
        assert network.body(images).shape == (2, width)
        assert network(images).shape == (2, 7)


def test_preact_resnet18_halves_the_image_three_times():
    network = PreActResNet18(3, 10).eval()
    with torch.inference_mode():
        before_the_mean = network.body[:-2](torch.zeros(1, 3, 32, 32))
    assert before_the_mean.shape == (1, 512, 4, 4)


def test_a_preactivated_block_without_weights_passes_its_input_on():
    """Identity mappings (He et al. 2016, section 2): with the residual at zero the output is the input itself."""
    block = PreActResNet18(3, 10).eval().body[1]
    torch.nn.init.zeros_(block.conv2.weight)
    images = torch.randn(2, 64, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(block(images), images)


@pytest.mark.parametrize(("side", "left"), [(8, 4), (16, 8), (28, 4), (40, 5), (64, 4)])
def test_conv_net_shrinks_large_images_early(side, left):
    with torch.inference_mode():
        assert ConvNet(1, 2, side).eval().body[:-2](torch.zeros(1, 1, side, side)).shape[2:] == (left, left)
