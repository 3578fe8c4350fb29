"""What an attack on training data takes and leaves behind."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.threat import Threat


class Trigger(Protocol):
    """Stamps inputs: what a backdoored model reacts to."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images (n, c, h, w) with the trigger on them; the ones passed stay as they are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisoned:
    """A poisoned set with the truth about it, which no detector ever sees.

    Parameters
    ----------
    data : the poisoned set.
    changed : (n,) bool, rows that the attack changed.
    trigger : what stamps an input, or None where the attack has none.
    target : class the attacker wants to see, or None.
    """

    data: Dataset
    changed: NDArray[np.bool_]
    trigger: Trigger | None = None
    target: int | None = None


@runtime_checkable
class PoisoningAttack(Protocol):
    """Changes a training set."""

    threat: ClassVar[Threat]

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """The poisoned set and the truth about it. `data` stays as it is."""
        ...


Attack = PoisoningAttack | Any
