"""Confident learning: rows that predictions which never saw them confidently give another label."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.detector import Need, Unit
from bezoar.core.trace import Trace
from bezoar.maths.noise import error_log_odds


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentLearning:
    """Log odds, by out-of-fold predictions, that the row's label is wrong.

    Finds wrong labels, and among them best those that somebody turned one way (7 into 1) throughout a class: the
    confident joint of given and predicted labels shows the direction.

    Known limits: hard but honest rows score high as well. Classes confused both ways by a flipper look like classes
    that are honestly alike. Departure from the paper: it prunes as many rows of each cell of the joint as its estimate
    says; here every row has a score and the audit decides.

    References
    ----------
    Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70, 2021,
    sections 3.1 and 3.2.
    """

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.HELD_OUT,)

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) in nats: above 0 where another class is likelier than the label."""
        return error_log_odds(trace.held_out, trace.labels)
