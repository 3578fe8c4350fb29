"""Loss dynamics: rows that training learns late or never."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.detector import Need, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Level, Validated


@dataclass(frozen=True, slots=True, kw_only=True)
class LossDynamics(Validated):
    """Area over the epochs of how far a row's own label is from winning.

    Networks learn what fits the pattern first and memorise the rest late, so a wrong label, or a trigger that was not
    learned, keeps its loss high for long.

    Known limits: hard but honest rows learn late too. Backdoors that are learned look easy: their losses are low, and
    this detector is silent on them. Departure from Pleiss et al.: the trace keeps losses only, so the margin is that of
    the own label against all others together, ``log((1 - p) / p)`` with ``p = exp(-loss)``, not against the
    runner-up. Early epochs, where the network knows nothing yet, are left out.

    Parameters
    ----------
    warm_up : share of the epochs that is left out at the start, in (0, 1).

    References
    ----------
    Arpit et al., "A closer look at memorization in deep networks", ICML 2017, section 4.
    Swayamdipta et al., "Dataset cartography", EMNLP 2020, section 2.
    Pleiss et al., "Identifying mislabeled data using the area under the margin ranking", NeurIPS 2020, equation 1.
    """

    warm_up: Level = 0.2

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.LOSSES,)

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) in nats: above 0 where the own label lost on average."""
        epochs = len(trace.losses)
        # Bounds: single precision knows no loss below 1e-7, and a loss of 50 nats is as lost as any.
        losses = np.clip(trace.losses[int(epochs * self.warm_up) :].astype(np.float64), 1e-7, 50.0)
        return np.asarray(np.log(np.expm1(losses)).mean(axis=0), dtype=np.float64)
