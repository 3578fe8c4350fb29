"""k-nearest-neighbour disagreement: rows whose neighbours carry other labels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.detector import Need, Scope, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Count, Positive, Validated
from bezoar.detectors.rows.geometry import fold_neighbours


@dataclass(frozen=True, slots=True, kw_only=True)
class KnnDisagreement(Validated):
    """Share of a row's nearest neighbours that carry another label, near ones weighing more.

    Finds wrong labels: the row looks like rows of another class.

    Known limits: rows near an honest border between classes score high too. Neighbours are sought among the rows of
    the same fold only, since features of different folds come from different models. In folds of more than 32,768 rows
    nearly all of the nearest are found (see :func:`bezoar.maths.neighbours.nearest`).

    Parameters
    ----------
    k : neighbours, at least 1.
    smoothing : weight, in neighbours, of the fold's average disagreement, which stands in where neighbours are few.
    components : leading components of the features in which angles are measured.

    References
    ----------
    Bahri, Jiang and Gupta, "Deep k-NN for noisy labels", ICML 2020, section 3.
    """

    k: Count = 10
    smoothing: Positive = 1.0
    components: Count = 64

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.FEATURES,)
    scope: ClassVar[Scope] = Scope.FOLD

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) in [0, 1]: 1 where all neighbours disagree."""
        scores = np.zeros(len(trace.data))
        for rows, (distances, neighbours) in fold_neighbours(trace, self.k, self.components):
            if neighbours.shape[1] == 0:
                continue
            mean = distances.mean(axis=1, keepdims=True)
            weights = np.exp(-np.divide(distances, mean, out=np.zeros_like(distances), where=mean > 0))
            weights *= neighbours.shape[1] / weights.sum(axis=1, keepdims=True)
            labels = trace.labels[rows]
            other = labels[neighbours] != labels[:, None]
            disagreeing = (weights * other).sum(axis=1) + self.smoothing * other.mean()
            scores[rows] = disagreeing / (neighbours.shape[1] + self.smoothing)
        return scores
