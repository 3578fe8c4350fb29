"""Mahalanobis: rows whose features lie far out for their class, by its own spread."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.detector import Need, Scope, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Index, Level, Validated
from bezoar.detectors.rows.geometry import Floats, Rows, block_moments, score_blocks
from bezoar.maths.linear import whitened_distance

# Fewer rows than this have no bulk to be far from.
_FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mahalanobis(Validated):
    """Whitened distance of each row's features from the middle of its class.

    Directions in which a class hardly varies count as much as those in which it varies widely, so a trigger that moves
    features a little in a quiet direction shows. Features are out of fold: a network that saw the row would have pulled
    it in.

    Known limits: where a tenth or more of a class is poison, the poison shapes the middle and the spread. The paper
    shares one covariance among the classes; here each class and fold has its own, trimmed and shrunk (Ledoit & Wolf).

    Parameters
    ----------
    trim : share of the farthest rows that don't count for the middle and the spread, in (0, 1).
    steps : times that they are set aside anew.

    References
    ----------
    Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial attacks",
    NeurIPS 2018, equation 2.
    """

    trim: Level = 0.1
    steps: Index = 2

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.FEATURES,)
    scope: ClassVar[Scope] = Scope.BLOCK

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) distance over the class's median distance, higher is more suspicious; 1 in classes of few rows."""

        def judge(number: int, rows: Rows) -> Floats | float:
            features = trace.features[rows]
            moments = block_moments(trace, number, features)
            distances = whitened_distance(features, trim=self.trim, steps=self.steps, moments=moments)
            middle = float(np.median(distances))
            return distances / middle if middle > 0 else 1.0

        return score_blocks(trace, judge, fewest=_FEWEST, otherwise=1.0)
