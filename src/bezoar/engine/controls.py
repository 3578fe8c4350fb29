"""Positive and negative controls: known poison in a copy of the user's data, audited like the data itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.attacks.poisoning.label_flip import LabelFlip
from bezoar.core.attack import PoisoningAttack
from bezoar.core.data import Dataset, Modality
from bezoar.core.errors import ParameterError
from bezoar.core.report import Evidence, PowerRow
from bezoar.engine.judgement import Judgement
from bezoar.maths.stats import wilson

FEWEST = 3
"""A spike of fewer rows says nothing and is left out."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spike:
    """Poison that was planted.

    Parameters
    ----------
    kind : in words.
    rate : share of all rows.
    rows : (n,) bool.
    target : class of a backdoor, None for label flips.
    """

    kind: str
    rate: float
    rows: NDArray[np.bool_]
    target: int | None


def spike(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, tuple[Spike, ...]]:
    """Plant several kinds of poison at several rates in one copy of the data, no row twice.

    Every backdoor gets a class of its own, drawn at random, so that one training serves all of them; where there are
    fewer classes than backdoors, the later ones of the list are left out.

    Parameters
    ----------
    data : what is left of the audited set without the rows that were flagged.
    """
    free = np.ones(len(data), dtype=bool)
    targets = [int(target) for target in rng.permutation(len(data.classes))]
    spikes = []
    for kind, rate, is_backdoor in _plan(data):
        count = round(rate * len(data))
        if count < FEWEST or (is_backdoor and not targets):
            continue
        target = targets.pop() if is_backdoor else None
        rows = np.flatnonzero(free)
        try:
            poisoned = _attack(kind, count, target, data, rng).poison(data.take(rows), rng)
        except ParameterError:  # too few rows of other classes are left for this spike
            continue
        changed = data.mask(rows[poisoned.changed])
        if data.modality is Modality.IMAGE and is_backdoor:
            data = data.with_images(np.flatnonzero(changed), poisoned.data.images[poisoned.changed])
        data = data.with_labels(np.flatnonzero(changed), poisoned.data.labels[poisoned.changed])
        free &= ~changed
        spikes.append(Spike(kind=kind, rate=rate, rows=changed, target=target))
    return data, tuple(spikes)


def measure(judgement: Judgement, spikes: tuple[Spike, ...]) -> tuple[tuple[PowerRow, ...], Evidence]:
    """What was caught of the spikes, and how much of the untouched rest was flagged."""
    flagged = judgement.flagged
    table = []
    for planted in spikes:
        caught, n = int((flagged & planted.rows).sum()), int(planted.rows.sum())
        interval = wilson(caught, n)
        table.append(
            PowerRow(
                kind=planted.kind,
                rate=planted.rate,
                spiked=n,
                caught=caught,
                power=interval.value,
                low=interval.low,
                high=interval.high,
                confirmed=None
                if planted.target is None
                else any(h.target == planted.target for h in judgement.hypotheses),
            )
        )
    untouched = ~np.logical_or.reduce([planted.rows for planted in spikes]) if spikes else np.ones_like(flagged)
    rest = wilson(int(flagged[untouched].sum()), int(untouched.sum()))
    alarm = Evidence(
        name="untouched rows flagged in the control run", value=rest.value, low=rest.low, high=rest.high, n=rest.n
    )
    return tuple(table), alarm


def _plan(data: Dataset) -> tuple[tuple[str, float, bool], ...]:
    """(kind, rate, whether it is a backdoor), the most telling first."""
    flips = (("uniform label flips", 0.02, False), ("flips of one class to another", 0.005, False))
    if data.modality is not Modality.IMAGE:
        return (*flips, ("uniform label flips", 0.005, False))
    return (
        ("patch backdoor", 0.01, True),
        ("blended backdoor", 0.01, True),
        *flips,
        ("patch backdoor", 0.003, True),
        ("blended backdoor", 0.003, True),
        ("patch backdoor", 0.001, True),
    )


def _attack(kind: str, count: int, target: int | None, data: Dataset, rng: np.random.Generator) -> PoisoningAttack:
    if kind == "patch backdoor":
        corners = ("top_left", "top_right", "bottom_left", "bottom_right", "centre")
        return BadNets(count=count, target=target or 0, place=str(rng.choice(corners)), pattern="random")
    if kind == "blended backdoor":
        return Blended(count=count, target=target or 0, opacity=0.2)
    if kind == "flips of one class to another":
        sizes = np.bincount(data.labels, minlength=len(data.classes))
        large = rng.permutation(np.flatnonzero(sizes >= 2 * count))
        if len(large) < 2:
            raise ParameterError(f"no two classes of {2 * count} rows each.")
        return LabelFlip(count=count, original=int(large[0]), target=int(large[1]))
    return LabelFlip(count=count)
