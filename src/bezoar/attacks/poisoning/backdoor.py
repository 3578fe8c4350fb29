"""What BadNets and Blended share: a fixed stamp on some rows, which then carry the target's label."""

import numpy as np

from bezoar.attacks.poisoning.budget import draw
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.trigger import Stamp


def plant(
    data: Dataset, trigger: Stamp, *, target: int, count: int, supplier: str | None, rng: np.random.Generator
) -> Poisoned:
    """Stamp `count` rows of other classes and give them the target's label.

    Rows that already have the target's label are left alone: a trigger on them teaches nothing new, and
    they would count as poison that no label betrays.
    """
    rows = draw(data, data.rows_not_of(target), count, supplier=supplier, rng=rng)
    return Poisoned(
        data=data.with_images(rows, trigger(data.images[rows])).with_labels(rows, target),
        changed=data.mask(rows),
        trigger=trigger,
        target=target,
    )
