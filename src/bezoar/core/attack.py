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
    changed : (n,) bool, rows that the attack poisoned: what a detector should find.
    trigger : what stamps an input, or None where the attack has none or planted nothing.
    target : class the attacker wants to see, or None.
    cover : (n,) bool, other rows whose inputs the attack changed while they keep their true label, so that a
        model learns the trigger more exactly. None where there are none.
    """

    data: Dataset
    changed: NDArray[np.bool_]
    trigger: Trigger | None = None
    target: int | None = None
    cover: NDArray[np.bool_] | None = None


@runtime_checkable
class PoisoningAttack(Protocol):
    """Changes a training set."""

    threat: ClassVar[Threat]

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """The poisoned set and the truth about it. `data` stays as it is."""
        ...


@runtime_checkable
class Foresighted(Protocol):
    """An attack that takes long, and says beforehand whether it can be carried out."""

    def require(self, data: Dataset) -> None:
        """Raise at once what `poison` would raise on this set."""
        ...


Attack = PoisoningAttack | Any
