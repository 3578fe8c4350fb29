"""What attacks with wrong labels share: a trigger on rows of other classes, which then carry the target's label."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bezoar.attacks.poisoning.budget import draw
from bezoar.core.attack import Poisoned, Trigger
from bezoar.core.data import Dataset


def plant(
    data: Dataset, trigger: Trigger, *, target: int, count: int, supplier: str | None, rng: np.random.Generator
) -> Poisoned:
    """Stamp `count` rows of other classes and give them the target's label.

    Rows that already have the target's label are left alone: a trigger on them teaches nothing new, and
    they would count as poison that no label betrays.
    """
    return plant_on(data, draw(data, data.rows_not_of(target), count, supplier=supplier, rng=rng), trigger, target)


def plant_on(data: Dataset, rows: NDArray[np.intp], trigger: Trigger, target: int) -> Poisoned:
    """Stamp these rows and give them the target's label."""
    return Poisoned(
        data=data.with_images(rows, trigger(data.images[rows])).with_labels(rows, target),
        changed=data.mask(rows),
        trigger=trigger,
        target=target,
    )


def draw_cover(
    data: Dataset, poisoned: NDArray[np.intp], ratio: float, *, supplier: str | None, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of any class beside the poisoned ones, `ratio` for each of them."""
    others = np.setdiff1d(np.arange(len(data)), poisoned)
    return draw(data, others, round(ratio * len(poisoned)), supplier=supplier, rng=rng)


def cover(poisoned: Poisoned, rows: NDArray[np.intp], images: NDArray[np.uint8]) -> Poisoned:
    """Give other rows these images and leave their labels. Rows that look as before are no cover."""
    differ = (images != poisoned.data.images[rows]).any(axis=(1, 2, 3))
    return dataclasses.replace(
        poisoned,
        data=poisoned.data.with_images(rows[differ], images[differ]),
        cover=poisoned.data.mask(rows[differ]),
    )
