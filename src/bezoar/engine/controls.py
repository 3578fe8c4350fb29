"""Positive and negative controls: known poison in a copy of the user's data, audited like the data itself."""

import dataclasses
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
from bezoar.data.spool import Means
from bezoar.engine.judgement import Judgement
from bezoar.maths.stats import wilson

CANDIDATES = 20_000
"""A backdoor chooses among so many rows drawn at random, or ten times those it changes."""
_VALUES = 2**20
"""Values of images that are stamped at a time."""
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


def spike(
    data: Dataset,
    rng: np.random.Generator,
    *,
    left: NDArray[np.bool_] | None = None,
    means: Means = Means(),  # noqa: B008
) -> tuple[Dataset, tuple[Spike, ...]]:
    """Plant several kinds of poison at several rates in one copy of the data, no row twice.

    Every backdoor gets a class of its own, drawn at random, so that one training serves all of them; where there are
    fewer classes than backdoors, the later ones of the list are left out.

    Parameters
    ----------
    data : the audited set.
    left : (n,) bool, its rows without those that were flagged. All where None.
    means : where the copy of a large set is kept.
    """
    rows = np.arange(len(data)) if left is None else np.flatnonzero(left)
    if data.modality is Modality.IMAGE:
        # The one copy that there is: backdoors are stamped into it, and no attack is handed pixels.
        copy = data.take(rows, inputs=means.taken(data.images, rows))
    else:
        copy = data.take(rows)
    labels = copy.labels.copy()
    free = np.ones(len(copy), dtype=bool)
    targets = [int(target) for target in rng.permutation(len(data.classes))]
    spikes = []
    for kind, rate, is_backdoor in _plan(data):
        count = round(rate * len(copy))
        if count < FEWEST or (is_backdoor and not targets):
            continue
        target = targets.pop() if is_backdoor else None
        some = _candidates(copy, free, count, rng, few=is_backdoor)
        try:
            poisoned = _attack(kind, count, target, copy, rng).poison(some.data, rng)
        except ParameterError:  # too few rows of other classes are left for this spike
            continue
        hit = some.rows[poisoned.changed]
        if poisoned.trigger is not None:
            for part in np.array_split(hit, -(-hit.size * copy.images[0].size // _VALUES)):
                copy.images[part] = poisoned.trigger(copy.images[part])
        labels[hit] = poisoned.data.labels[poisoned.changed]
        copy = dataclasses.replace(copy, labels=labels.copy(), hashed=None)
        free[hit] = False
        spikes.append(Spike(kind=kind, rate=rate, rows=copy.mask(hit), target=target))
    return copy, tuple(spikes)


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    data: Dataset
    rows: NDArray[np.intp]


class _WithoutPixels(Dataset):
    """Images as a fixed stamp needs them to be planted: their shape. What it does to their pixels is done elsewhere."""

    def with_images(self, rows: NDArray[np.intp], images: NDArray[np.uint8]) -> Dataset:
        """The set as it is: the images that an attack makes here are of no use."""
        return self


def _candidates(
    data: Dataset, free: NDArray[np.bool_], count: int, rng: np.random.Generator, *, few: bool
) -> _Candidates:
    """Rows that an attack may choose from, `few` of them where they are more than it needs; images without pixels."""
    rows = np.flatnonzero(free)
    if data.modality is not Modality.IMAGE:
        return _Candidates(data.take(rows), rows)
    most = max(CANDIDATES, 10 * count)
    if few and len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    blank = np.broadcast_to(np.zeros(data.images.shape[1:], np.uint8), (len(rows), *data.images.shape[1:]))
    return _Candidates(
        _WithoutPixels(
            inputs=blank,
            labels=data.labels[rows],
            classes=data.classes,
            ids=data.ids[rows],
            source=None if data.source is None else data.source[rows],
        ),
        rows,
    )


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
