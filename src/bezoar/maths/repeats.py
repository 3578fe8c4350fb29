"""What repeats over seeds and settings tell: differences with intervals, and means of means with theirs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bezoar.core.errors import ParameterError
from bezoar.maths.stats import Floats, Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A difference "after minus before" with its interval and the two-sided p-value of "no difference".

    Parameters
    ----------
    value, low, high : in the unit of what was measured.
    p_value : in [0, 1].
    n : pairs it rests on.
    """

    value: float
    low: float
    high: float
    p_value: float
    n: int


def paired_shift(before: Sequence[float], after: Sequence[float], level: float = 0.95) -> Shift | None:
    """Mean difference of pairs with Student's interval and test.

    Pairs that all differ by the same amount, other than 0, have no spread to judge it by: they give None, and not the
    certainty that a formula with a zero in it would.

    Parameters
    ----------
    before, after : (n,) finite, in the same order, n >= 2.
    level : coverage, in (0, 1).

    Raises
    ------
    ParameterError
        Lengths that differ, or fewer than two pairs.

    References
    ----------
    Student, "The probable error of a mean", Biometrika 6, 1908.
    """
    n = len(before)
    if n != len(after) or n < 2:
        raise ParameterError(f"`before` and `after` must be of one length of at least 2. Got {n} and {len(after)}.")
    steps = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    mean, error = float(steps.mean()), float(steps.std(ddof=1)) / math.sqrt(n)
    # Equal steps differ by rounding alone: that is no spread.
    if error <= 1e-12 * max(1.0, float(np.abs(steps).max())):
        return Shift(value=0.0, low=0.0, high=0.0, p_value=1.0, n=n) if abs(mean) <= 1e-12 else None
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return Shift(value=mean, low=mean - half, high=mean + half, p_value=p_value, n=n)


def shift_of_intervals(before: Sequence[Interval], after: Sequence[Interval], level: float = 0.95) -> Shift:
    """Mean difference of pairs from the interval that each value brings along, as if the two of a pair were independent.

    The squares of the distances from values to their near ends add up on either side of the difference, which keeps
    the lopsidedness of Wilson's and other intervals. For one pair of rates this is Newcombe's method 10. The p-value
    takes the distance to the end that faces 0 for the quantile of a normal distribution. It knows nothing of what
    differs between seeds: use :func:`paired_shift` where there are several.

    Parameters
    ----------
    before, after : (n,) values with intervals of coverage `level`, in the same order, n >= 1.
    level : coverage of the intervals given and returned, in (0, 1).

    Raises
    ------
    ParameterError
        Lengths that differ, or no pair.

    References
    ----------
    Newcombe, "Interval estimation for the difference between independent proportions", Stat. Med. 17, 1998, method 10;
    Zou and Donner, "Construction of confidence limits about effect measures", Stat. Med. 27, 2008, equation 7.
    """
    n = len(before)
    if n != len(after) or n < 1:
        raise ParameterError(f"`before` and `after` must be of one length of at least 1. Got {n} and {len(after)}.")
    pairs = list(zip(before, after, strict=True))
    value = sum(b.value - a.value for a, b in pairs) / n
    down = math.sqrt(sum((b.value - b.low) ** 2 + (a.high - a.value) ** 2 for a, b in pairs)) / n
    up = math.sqrt(sum((b.high - b.value) ** 2 + (a.value - a.low) ** 2 for a, b in pairs)) / n
    facing = down if value > 0 else up
    quantile = float(stats.norm.ppf((1 + level) / 2))
    if value == 0:
        p_value = 1.0
    else:
        p_value = float(2 * stats.norm.sf(quantile * abs(value) / facing)) if facing else 0.0
    return Shift(value=value, low=value - down, high=value + up, p_value=p_value, n=n)


def nested_means(
    groups: Sequence[Floats], rng: np.random.Generator, *, replicates: int = 1000
) -> tuple[Floats, Floats | None]:
    """Means over groups of means over repeats, and bootstrap draws of them: groups are drawn, then repeats within each.

    All members share the draws, so that the difference of two members has draws as well. There are none where every
    group has one repeat and there is one group: a single value has no spread.

    Parameters
    ----------
    groups : of shape (members, repeats) each; repeats may differ from group to group.
    rng : for the draws.
    replicates : how many.

    Returns
    -------
    (members,) means and (replicates, members) draws, or None for the draws.

    Raises
    ------
    ParameterError
        No group, or one without repeats.

    References
    ----------
    Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8 (strategy 2 draws repeats as well).
    """
    if not groups or any(group.shape[1] == 0 for group in groups):
        raise ParameterError("`groups` must hold at least one group, and each at least one repeat. Got none.")
    means = np.stack([group.mean(axis=1) for group in groups])
    if len(groups) == 1 and groups[0].shape[1] == 1:
        return means.mean(axis=0), None
    count = np.array([group.shape[1] for group in groups])
    padded = np.zeros((means.shape[1], len(groups), int(count.max())))
    for at, group in enumerate(groups):
        padded[:, at, : group.shape[1]] = group
    chosen = rng.integers(len(groups), size=(replicates, len(groups), 1))
    repeat = (rng.random((replicates, len(groups), int(count.max()))) * count[chosen]).astype(np.int64)
    weight = (np.arange(count.max()) < count[chosen]) / (count[chosen] * len(groups))
    draws = np.stack([(member[chosen, repeat] * weight).sum(axis=(1, 2)) for member in padded], axis=1)
    return means.mean(axis=0), draws
