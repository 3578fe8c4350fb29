"""Architectures."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from bezoar.learn.networks import VGG, ConvNet, PreActResNet18, ViT, build, drawn


def test_preact_resnet18_has_the_parameters_of_the_paper():
    """Convolutions 11,159,232, normalisation 6,784 in blocks and 1,024 after them, head 5,130 (counted by hand)."""
    count = sum(parameter.numel() for parameter in PreActResNet18(3, 10).parameters())
    assert count == 11_159_232 + 6_784 + 1_024 + 5_130


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 20), (64, 64)])
@pytest.mark.parametrize(("name", "width"), [("conv", 128), ("vgg", 128), ("vit", 64), ("preact_resnet18", 512)])
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
    torch.nn.init.zeros_(block.residual[1].weight)
    images = torch.randn(2, 64, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(block(images), images)


@pytest.mark.parametrize(("side", "left"), [(8, 4), (16, 8), (28, 4), (40, 5), (64, 4)])
def test_conv_net_shrinks_large_images_early(side, left):
    with torch.inference_mode():
        assert ConvNet(1, 2, side).eval().body[:-2](torch.zeros(1, 1, side, side)).shape[2:] == (left, left)


def test_vgg_has_the_parameters_of_its_layers():
    """Convolutions 9 (32 + 2,048 + 8,192 + 16,384), normalisation 2 x 352, hidden layer 65,664, head 1,290 (by hand)."""
    count = sum(parameter.numel() for parameter in VGG(1, 10).parameters())
    assert count == 9 * 26_656 + 704 + 65_664 + 1_290


@pytest.mark.parametrize(("side", "tokens"), [(8, 16), (16, 64), (28, 49), (32, 64), (50, 64), (64, 64)])
def test_a_transformer_sees_at_most_64_patches(side, tokens):
    with torch.inference_mode():
        assert ViT(1, 2, side).eval().body[0](torch.zeros(1, 1, side, side)).shape == (1, tokens, 64)


def test_a_transformer_sees_the_last_pixel_where_patches_do_not_divide_the_image():
    """30 pixels in patches of 4: the last patch is half beyond the image."""
    network = ViT(1, 2, 30).eval()
    images = torch.zeros(2, 1, 30, 30)
    images[1, 0, 29, 29] = 5
    with torch.inference_mode():
        features = network.body(images)
    assert not torch.allclose(features[0], features[1])


def test_a_transformer_tells_places_apart():
    """The same patch elsewhere: without positions the mean over tokens would be the same."""
    network = ViT(1, 2, 32).eval()
    images = torch.zeros(2, 1, 32, 32)
    images[0, 0, 4:8, 4:8] = images[1, 0, 20:24, 12:16] = 5
    with torch.inference_mode():
        features = network.body(images)
    assert not torch.allclose(features[0], features[1])


def test_attention_is_what_torch_computes():
    """Its own fused function is the oracle, with the same weights."""
    block = ViT(1, 2, 28).eval().body[1]
    tokens = torch.randn(3, 49, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        query, key, value = block.asked(block.norm1(tokens)).view(3, 49, 3, 2, 32).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(3, 49, 64)
        expected = tokens + block.told(seen)
        expected = expected + block.mlp(block.norm2(expected))
        torch.testing.assert_close(block(tokens), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["conv", "vgg", "vit", "preact_resnet18"])
def test_weights_follow_from_the_generator_alone(name):
    def made(seed):
        new = partial(build, name, channels=3, classes=4, side=28)
        network = drawn(new, torch.Generator().manual_seed(seed))
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    first, other = made(1), made(2)
    torch.rand(3)
    assert torch.isfinite(first).all()
    assert torch.equal(first, made(1))
    assert not torch.equal(first, other)
