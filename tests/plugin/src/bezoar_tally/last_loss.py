"""Last loss: rows that training never came to like."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.detector import Need, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Count, Validated


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLoss(Validated):
    """Mean loss of a row over the last epochs.

    A wrong label is learned last, or never.

    Known limits: so is a hard but honest row.

    Parameters
    ----------
    epochs : how many epochs at the end are averaged.

    References
    ----------
    Arpit et al., "A closer look at memorization in deep networks", ICML 2017, section 4.
    """

    epochs: Count = 3

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.LOSSES,)

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) in nats."""
        return trace.losses[-self.epochs :].mean(axis=0).astype(np.float64)
