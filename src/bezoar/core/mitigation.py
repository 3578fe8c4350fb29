"""What a repair takes and gives back."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A data set with what is suspected of it, what was set aside so far, and a model where there is one."""

    data: Dataset
    suspicion: Suspicion | None = None
    model: Model | None = None
    set_aside: Dataset | None = None
    reasons: tuple[str, ...] = field(default=())


@runtime_checkable
class Mitigation(Protocol):
    """Repairs a subject."""

    surface: ClassVar[str]

    def apply(self, subject: Subject) -> Subject:
        """The repaired subject; the one passed stays as it is."""
        ...
