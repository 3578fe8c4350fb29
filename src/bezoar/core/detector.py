"""What a detector is: a score per unit, higher always more suspicious."""

from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bezoar.core.trace import Trace


class Unit(StrEnum):
    """What one score is about."""

    ROW = "row"
    INPUT = "input"
    MODEL = "model"
    QUERY = "query"
    UPDATE = "update"


class Need(StrEnum):
    """What a row detector reads from the trace."""

    LOSSES = "losses"
    HELD_OUT = "held_out"
    FEATURES = "features"
    INPUTS = "inputs"


@runtime_checkable
class RowDetector(Protocol):
    """Scores the rows of a training set from its trace."""

    unit: ClassVar[Unit]
    needs: ClassVar[tuple[Need, ...]]

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) finite, higher is more suspicious. The trace stays as it is."""
        ...
