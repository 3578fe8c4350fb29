"""Isolation forest on the features of each class: odd rows are cut off in few random cuts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest as Forest

from bezoar.core.detector import Need, Scope, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Count, Index, Validated
from bezoar.detectors.rows.geometry import Floats, Rows, block_components, score_blocks

# Fewer rows than this leave nothing to isolate from.
_FEWEST = 8
# The paper's score of a row that is neither inside nor outside (section 2, property b).
_NEUTRAL = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationForest(Validated):
    """How few random cuts set a row apart from its class.

    Finds rows unlike the rest of their label: mislabelled, corrupted, or with a rare trigger.

    Known limits: a tight group of many poisoned rows is no outlier. Departure from the paper: it runs on the leading
    principal components of each class and fold, since cuts along single features of a network see little.

    Parameters
    ----------
    trees : random trees in each forest. The paper uses 100; half of that ranks about as well.
    components : leading components that are cut.
    seed : of the forests.

    References
    ----------
    Liu, Ting and Zhou, "Isolation forest", ICDM 2008, equation 2.
    """

    trees: Count = 50
    components: Count = 12
    seed: Index = 0

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.FEATURES,)
    scope: ClassVar[Scope] = Scope.BLOCK

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) in (0, 1], 0.5 for rows of classes too small to judge."""

        def judge(number: int, rows: Rows) -> Floats | float:
            x = block_components(trace, number, self.components)
            if not x.shape[1]:
                return _NEUTRAL
            forest = Forest(n_estimators=self.trees, random_state=self.seed)
            return np.asarray(-forest.fit(x).score_samples(x))

        return score_blocks(trace, judge, fewest=_FEWEST, otherwise=_NEUTRAL)
