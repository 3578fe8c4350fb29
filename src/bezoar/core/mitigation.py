"""What a repair takes and gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bezoar.core.attack import Trigger
from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.model import Model


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suspicion:
    """What an audit says of each row, for a repair to act on.

    Parameters
    ----------
    flagged : (n,) bool.
    code : (n,) text, the finding's code, empty where a row is not flagged.
    suggested : (n,) int, the label the audit believes; the row's own where it has no better one, -1
        where the row should go whatever its label.
    """

    flagged: NDArray[np.bool_]
    code: NDArray[np.str_]
    suggested: NDArray[np.int64]

    def __post_init__(self) -> None:
        shapes = (self.flagged.shape, self.code.shape, self.suggested.shape)
        if len(set(shapes)) != 1 or self.flagged.ndim != 1:
            raise InputError(f"suspicion: flagged, code and suggested must be (n,) alike. Got {shapes}.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A data set with what is suspected of it, what was set aside so far, and a model where there is one.

    Parameters
    ----------
    data : the rows in use.
    suspicion : what an audit says of them; None where none was made, or a repair has acted on it.
    model : trained on the data, or None.
    triggers : what an audit of the model recovered for each class that it calls.
    set_aside : rows taken out of use and kept.
    reasons : why, one line for each row of `set_aside`.

    Raises
    ------
    InputError
        A suspicion or reasons whose number of rows differs from what they are about.
    """

    data: Dataset
    suspicion: Suspicion | None = None
    model: Model | None = None
    triggers: Mapping[int, tuple[Trigger, ...]] = field(default_factory=dict)
    set_aside: Dataset | None = None
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n, kept = len(self.data), 0 if self.set_aside is None else len(self.set_aside)
        if self.suspicion is not None and len(self.suspicion.flagged) != n:
            raise InputError(
                f"{self.data.name}: {n} rows but a suspicion of {len(self.suspicion.flagged)}. Audit this very set."
            )
        if len(self.reasons) != kept:
            raise InputError(f"{self.data.name}: {kept} rows set aside but {len(self.reasons)} reasons.")

    def suspected(self) -> Suspicion:
        """What the audit says. Raises ``InputError`` where there was none: no repair guesses."""
        if self.suspicion is None:
            raise InputError(f"{self.data.name}: nothing says which rows are suspected. Audit it first.")
        return self.suspicion


@runtime_checkable
class Mitigation(Protocol):
    """Repairs a subject."""

    surface: ClassVar[str]

    def apply(self, subject: Subject) -> Subject:
        """The repaired subject; the one passed stays as it is."""
        ...
