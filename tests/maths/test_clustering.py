"""Two clusters or one, against scikit-learn's silhouettes and clouds of known shape."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from bezoar.maths.clustering import Split, excess_silhouettes, gaussian_silhouette, silhouettes, split_each
from bezoar.maths.two_means import two_means


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_silhouettes_are_exact(share):
    """A peer's take O(n^2); these equal scikit-learn's for the squared distance."""
    rng = np.random.default_rng(0)
    x, member = rng.normal(size=(100, 4)) + 50, rng.random(100) < share
    member[:2] = True
    np.testing.assert_allclose(silhouettes(x, member), silhouette_samples(x, member, metric="sqeuclidean"), atol=1e-9)


def test_silhouettes_of_several_splits_are_those_of_each():
    rng = np.random.default_rng(0)
    x, members = rng.normal(size=(50, 3)), rng.random((4, 50)) < [[0.5], [0.3], [0.1], [0.7]]
    members[1] = np.arange(50) == 7
    np.testing.assert_allclose(silhouettes(x, members), [silhouettes(x, each) for each in members], atol=1e-12)


def split_in_two(x):
    return split_each([x])[0]


def excess_silhouette(x, split, rng):
    return excess_silhouettes([x], [split], [rng])[0]


def clearest(x):
    """The split with the best silhouette, with a valley or without."""
    members = two_means([x])[0] > 0
    splits = [Split(side if 2 * side.sum() <= len(x) else ~side, silhouettes(x, side)) for side in members]
    return max(splits, key=lambda split: split.silhouette)


def crowded(x, member):
    """Whether distances from the plane between the means have a mean square below 4/3 of their squared mean, by hand."""
    one, other = x[member].mean(axis=0), x[~member].mean(axis=0)
    heights = (x - (one + other) / 2) @ (one - other)
    return all((side**2).mean() < 4 / 3 * side.mean() ** 2 for side in (heights[member], heights[~member]))


@pytest.mark.parametrize("seed", range(6))
def test_the_split_is_the_clearest_of_those_with_a_valley(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(401, 3)) * [3, 2, 1] + 40
    x[: 15 * seed, seed % 3] += 9
    members = [member for member in two_means([x])[0] > 0 if crowded(x, member)]
    split = split_in_two(x)
    if not members:
        assert split is None
        return
    expected = max(np.mean([silhouettes(x, member)[side].mean() for side in (member, ~member)]) for member in members)
    assert split.silhouette == pytest.approx(expected, abs=1e-12)
    assert any((split.small == member).all() or (split.small == ~member).all() for member in members)


def test_a_class_with_one_mode_is_one_cluster_however_skewed():
    """Long tails beat the silhouette of a bell-shaped cloud, and yet there is nothing between two clusters."""
    rng = np.random.default_rng(0)
    spread = np.array([3, 2.2, 1.8, 1.4, 1.1, 0.9]) ** 0.5
    clouds = [rng.gamma(2.0, size=(n, 6)) * spread for n in (300, 2000) for _ in range(10)]
    beaten = [excess_silhouette(x, clearest(x), rng) > 0 for x in clouds]
    assert np.mean(beaten) > 0.8
    assert sum(split is not None for split in split_each(clouds)) <= 2


def test_a_cluster_is_found_beside_a_clearer_split_without_a_valley():
    """One axis is so long that its halves have the better silhouette."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(-12, 12, 1000), rng.normal(size=(1000, 2))])
    truth = np.arange(1000) < 60
    x[truth, 1] += 9
    assert clearest(x).share > 0.4
    assert (split_in_two(x).small == truth).mean() > 0.99


def test_the_only_row_of_a_cluster_has_silhouette_zero():
    x = np.arange(6.0)[:, None]
    member = np.arange(6) == 5
    np.testing.assert_allclose(silhouettes(x, member), silhouette_samples(x, member, metric="sqeuclidean"), atol=1e-12)


@pytest.mark.parametrize("poisoned", [5, 20, 150])
def test_a_far_cluster_of_any_size_is_split_off(poisoned):
    """Even 5 rows of 500, where plain 2-means would halve the large cluster."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4)) * [3, 2, 1.5, 1]
    truth = np.arange(500) < poisoned
    x[truth, 2] += 15
    split = split_in_two(x)
    assert (split.small == truth).all()
    assert excess_silhouette(x, split, rng) > 0.2


def test_one_gaussian_cloud_is_called_one_cluster():
    """A peer calls one cluster of every class poisoned; here about 1 in 20 clean clouds, and those by little."""
    rng = np.random.default_rng(0)
    excess = []
    for _ in range(100):
        x = rng.normal(size=(150, 4)) * [3, 2, 1, 0.5]
        excess.append(excess_silhouette(x, clearest(x), rng))
    assert np.mean(np.array(excess) > 0) <= 0.12
    assert max(excess) < 0.1


@pytest.mark.parametrize("x", [np.zeros((3, 2)), np.zeros((10, 2)), np.zeros((10, 0))])
def test_nothing_is_split_where_there_is_nothing_to_split(x):
    assert split_in_two(x) is None


def test_the_bar_is_the_best_of_so_many_drawn_clouds():
    """One cloud after the other, from the same stream."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3)) * [3, 2, 1]
    x[:12, 1] += 12
    split = split_in_two(x)
    stream = np.random.default_rng(7)
    bar = max(clearest(stream.standard_normal(x.shape) * x.std(axis=0)).silhouette for _ in range(19))
    expected = (split.silhouette - bar) / (1 - bar)
    assert expected > 0.1
    assert excess_silhouette(x, split, np.random.default_rng(7)) == pytest.approx(expected, abs=1e-9)


def test_bars_that_are_drawn_together_are_those_of_each_alone():
    rng = np.random.default_rng(0)
    clouds = [rng.normal(size=(n, d)) * np.linspace(3, 1, d) for n, d in ((100, 3), (60, 5), (1600, 2), (300, 3))]
    for x in clouds[1:]:
        x[: len(x) // 10, 1] += 15
    splits = [clearest(x) for x in clouds]
    together = excess_silhouettes(clouds, splits, [np.random.default_rng(seed) for seed in range(4)])
    alone = [
        excess_silhouette(x, split, np.random.default_rng(seed)) for seed, (x, split) in enumerate(zip(clouds, splits))
    ]
    assert together == pytest.approx(alone, abs=1e-9)
    assert together[0] == 0 < min(together[1:])


@pytest.mark.parametrize("deviations", [[1], [1, 1], [3, 1, 0.5], [1, 1, 1, 1, 1, 1]])
def test_the_silhouette_of_a_halved_gaussian_cloud_is_that_of_a_large_sample(deviations):
    x = np.random.default_rng(0).normal(size=(400_000, len(deviations))) * deviations
    assert gaussian_silhouette(np.square(deviations)) == pytest.approx(silhouettes(x, x[:, 0] > 0).mean(), abs=2e-3)


@pytest.mark.parametrize("deviations", [[1, 1], [2, 1.9, 1, 0.5, 0.4, 0.3], [5, 1, 0.5, 0.4, 0.2, 0.1], [1] * 6])
def test_a_large_gaussian_cloud_is_split_in_one_case_of_twenty_at_most(deviations):
    """Twenty clouds of 2,000 rows, compared with the closed form: two splits of twenty would be 1 in 4 by chance."""
    rng = np.random.default_rng(0)
    excess = []
    for _ in range(20):
        x = rng.normal(size=(2000, len(deviations))) * deviations
        excess.append(excess_silhouette(x, clearest(x), rng))
    assert np.count_nonzero(excess) <= 2
    assert max(excess) < 0.01


def test_the_bar_for_large_clouds_continues_that_for_small_ones():
    """A split that clearly exists exceeds both by about the same."""
    rng = np.random.default_rng(0)
    excess = []
    for n in (1500, 1501):
        x = np.random.default_rng(1).normal(size=(n, 4)) * [3, 2, 1.5, 1]
        x[: n // 20, 2] += 12
        excess.append(excess_silhouette(x, split_in_two(x), rng))
    assert excess[0] == pytest.approx(excess[1], abs=0.04)
    assert min(excess) > 0.2
