"""2-means from many starts at once, against one plain run after the other."""

import numpy as np
import pytest

from bezoar.maths import two_means as module
from bezoar.maths.clustering import silhouettes
from bezoar.maths.two_means import two_means


def step(x, member):
    """One plain step of 2-means."""
    first, second = (((x - x[side].mean(axis=0)) ** 2).sum(axis=1) for side in (member, ~member))
    return first < second


def plain_ends(x, steps=30):
    """Where that many plain steps lead from either end of every axis, and from the halves of the first."""
    order = np.argsort(x, axis=0)
    tail = max(2, int(np.ceil(0.03 * len(x))))
    ends = []
    for start in [*order[:tail].T, *order[-tail:].T, order[: len(x) // 2, 0]]:
        member = np.isin(np.arange(len(x)), start)
        for _ in range(steps):
            if 0 < member.sum() < len(x):
                member = step(x, member)
        if 2 <= member.sum() <= len(x) - 2:
            ends.append(member)
    return ends


def named_alike(members):
    """Splits as a set: whichever cluster is meant, and however often one is there."""
    return {bytes(member ^ member[0]) for member in members}


def clearest(x, members):
    """The best mean silhouette of both clusters, and the split that has it."""
    values = silhouettes(x, np.array(members))
    means = [(value[side].mean() + value[~side].mean()) / 2 for value, side in zip(values, members, strict=True)]
    return max(means), members[int(np.argmax(means))]


def cloud(seed, n=401, d=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.linspace(3, 1, d) + 40
    x[: n * seed // 30, seed % d] += 9
    return x


@pytest.mark.parametrize("seed", range(6))
def test_the_ends_are_those_of_plain_runs_from_every_end_of_every_axis(seed):
    x = cloud(seed)
    assert named_alike(two_means([x])[0] > 0) == named_alike(plain_ends(x))


def test_clouds_that_are_split_together_are_split_as_each_alone():
    """Of other sizes, in fewer dimensions, and some that cannot be split."""
    clouds = [cloud(1), cloud(2, n=60, d=5), cloud(3, n=3), np.zeros((9, 2)), cloud(4, n=500, d=1), np.zeros((9, 0))]
    together = two_means(clouds)
    assert [heights.shape[1] for heights in together] == [401, 60, 3, 9, 500, 9]
    for x, heights in zip(clouds, together, strict=True):
        assert named_alike(heights > 0) == named_alike(two_means([x])[0] > 0)


def test_large_clouds_are_split_as_each_alone():
    """Of each as many rows are looked at first, and as far apart, whatever lies beside it."""
    clouds = [cloud(5, n=n, d=4) for n in (300, 513, 768, 769, 3000)]
    for x, heights in zip(clouds, two_means(clouds), strict=True):
        assert named_alike(heights > 0) == named_alike(two_means([x])[0] > 0)


@pytest.mark.parametrize("n", [513, 768, 769, 5000])
def test_a_sample_stands_for_all_rows_and_holds_the_farthest(n):
    columns = np.zeros((2, 8, 6000), np.float32)
    columns[:, 0, :n] = np.random.default_rng(0).normal(size=(2, n))
    columns[:, -1, :n] = 1
    few, weights = module._sample(columns, np.array([n, n]))
    assert few.shape[2] <= 512
    assert (weights * few[:, -1:]).sum(axis=2) == pytest.approx(n, rel=0.02)
    expected = np.sort(np.abs(columns[:, 0, :n]), axis=1)[:, -256:]
    np.testing.assert_array_equal(np.sort(np.abs(few[:, 0, :256]), axis=1), expected)
    assert (weights[:, 0, :256] == 1).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_large_cloud_is_split_as_well_as_by_plain_runs_among_all_of_its_rows(seed):
    """What started among 512 of 4,000 rows is as clear, and at rest: a further step moves 1 row in 100 at most."""
    x = cloud(seed, n=4000, d=6)
    silhouette, member = clearest(x, two_means([x])[0] > 0)
    assert silhouette > clearest(x, plain_ends(x))[0] - 0.005
    assert (step(x, member) != member).mean() <= 0.01


@pytest.mark.parametrize("place", ["first", "odd", "spread"])
def test_a_small_far_cluster_in_a_large_cloud_is_found_wherever_its_rows_stand(place):
    """A hundred rows of 20,000, in places that nobody may choose to be looked past."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 4)) * [3, 2, 1.5, 1]
    far = {"first": np.arange(100), "odd": 2 * np.arange(100) + 1, "spread": rng.permutation(20_000)[:100]}[place]
    x[far, 2] += 60
    truth = np.isin(np.arange(20_000), far)
    assert bytes(truth ^ truth[0]) in named_alike(two_means([x])[0] > 0)


def test_heights_are_distances_from_the_plane_half_way_between_the_means():
    x = cloud(5)
    for heights in two_means([x])[0]:
        one, other = x[heights > 0].mean(axis=0), x[heights <= 0].mean(axis=0)
        expected = (x - (one + other) / 2) @ (one - other)
        np.testing.assert_allclose(heights / heights.std(), expected / expected.std(), atol=1e-3)


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_the_unit_of_a_cloud_does_not_matter(unit):
    x = cloud(5)
    assert named_alike(two_means([unit * x], variation=1 / 3)[0] > 0) == named_alike(
        two_means([x], variation=1 / 3)[0] > 0
    )


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (lambda rng, n: rng.normal(size=n), np.pi / 2 - 1),
        (lambda rng, n: rng.uniform(-1, 1, n), 1 / 3),
        (lambda rng, n: rng.laplace(size=n), 1),
        (lambda rng, n: rng.normal(size=n) + 8 * rng.choice([-1, 1], n), 1 / 64),
    ],
    ids=["bell", "flat", "pointed", "two"],
)
def test_the_variation_of_distances_from_the_middle_is_that_of_half_the_density(drawn, expected):
    """Of half a bell curve pi / 2 - 1, half an interval 1/3, an exponential density 1; and of a bell 8 deviations off."""
    heights = drawn(np.random.default_rng(0), 200_000)[None].astype(np.float32)
    found = module._variation(heights, np.ones((1, 200_000), np.float32))
    assert found == pytest.approx(expected, rel=0.02)


def test_weights_stand_for_rows():
    heights = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
    weights = np.random.default_rng(1).integers(1, 4, 40)
    repeated = np.repeat(heights, weights, axis=1)
    np.testing.assert_allclose(
        module._variation(heights, weights[None].astype(np.float32)),
        module._variation(repeated, np.ones((1, repeated.shape[1]), np.float32)),
        rtol=1e-4,
    )


@pytest.mark.parametrize("n", [300, 3000])
def test_only_boundaries_that_rows_keep_away_from_are_kept_where_that_is_asked(n):
    rng = np.random.default_rng(0)
    one = rng.normal(size=(n, 3)) * [3, 2, 1]
    two = one + np.where(np.arange(n) < n // 5, 15, 0)[:, None] * [0, 1, 0]
    assert [len(heights) for heights in two_means([one, two], variation=1 / 3)] == [0, 1]
    assert all(len(heights) > 0 for heights in two_means([one, two]))
