"""Ensemble disagreement: unlike models that never saw a row agree that its label is another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from bezoar.core.detector import Need, Scope, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Count, Index, Level, Validated
from bezoar.learn.device import dealt_out
from bezoar.maths.linear import leading_components
from bezoar.maths.noise import error_log_odds

Floats = NDArray[np.float64]

_NEIGHBOURS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleDisagreement(Validated):
    """Log odds, by models of several kinds taken together, that the row's label is wrong.

    Within each fold of the trace the features, which come from a network that never saw these rows, are split again,
    and linear discriminants, multinomial logistic regression, extremely random trees and nearest neighbours judge the
    part that they were not fitted on. With the network's own out-of-fold prediction they form a geometric mean: one
    model that finds the label plausible saves the row. What one kind of model gets wrong by its nature, others get
    right; a wrong label is wrong to all.

    Known limits: hard but honest rows score high too; a trigger that the network learned makes every model agree with
    the poisoned label.

    Parameters
    ----------
    parts : parts of a fold; each is judged by models fitted on the others. At least 2 (1 leaves the network alone).
    components : leading components of the features that the models see.
    trees : in the forest.
    floor : probability that no model denies any label, shared by the classes, in (0, 1): bounds what one model can do.
    seed : of the split and the trees.

    References
    ----------
    Brodley and Friedl, "Identifying mislabeled training data", JAIR 11, 1999, section 3.2 (unlike models, cross-fitted).
    """

    parts: Count = 3
    components: Count = 32
    trees: Count = 40
    floor: Level = 0.01
    seed: Index = 0

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.FEATURES, Need.HELD_OUT)
    scope: ClassVar[Scope] = Scope.FOLD

    def score(self, trace: Trace) -> Floats:
        """(n,) in nats: above 0 where the models together believe another label."""
        return self.weigh(trace, self.gather(trace))

    def gather(self, trace: Trace) -> Floats:
        """(n, k) sums of the models' bounded log-probabilities."""
        k = len(trace.data.classes)
        total = self._bounded_log(np.exp(trace.held_out.astype(np.float64)), k)

        def judge(part: tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]) -> None:
            x, rows, judged = part
            labels = trace.labels[rows]
            for model in self._models():
                probabilities = _predict(model, x[~judged], labels[~judged], x[judged], k)
                total[rows[judged]] += self._bounded_log(probabilities, k)

        dealt_out(judge, self._parts(trace))
        return total

    def weigh(self, trace: Trace, gathered: Floats) -> Floats:
        """(n,) scores from those sums."""
        pooled = gathered / (1 + len(self._models()))
        return error_log_odds(pooled - np.logaddexp.reduce(pooled, axis=1, keepdims=True), trace.labels)

    def _parts(self, trace: Trace) -> Iterator[tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]]:
        """What the models see of a fold, its rows, and which of them are judged: each row once."""
        for rows in trace.folds():
            x = leading_components(trace.features[rows], self.components)
            x /= x.std(axis=0).max(initial=0.0) or 1.0
            # A stream for each fold: parts do not depend on which other folds there are.
            rng = np.random.default_rng((self.seed, int(trace.fold[rows[0]])))
            # Dealing out the rows in label order gives every part its share of every class.
            part = np.empty(len(rows), dtype=np.intp)
            part[np.lexsort((rng.random(len(rows)), trace.labels[rows]))] = np.arange(len(rows)) % self.parts
            yield from ((x, rows, part == number) for number in range(self.parts))

    def _bounded_log(self, probabilities: Floats, k: int) -> Floats:
        return np.asarray(np.log((1 - self.floor) * probabilities + self.floor / k), dtype=np.float64)

    def _models(self) -> tuple[Any, ...]:
        return (
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
            LogisticRegression(C=0.1, max_iter=1_000),
            ExtraTreesClassifier(self.trees, min_samples_leaf=3, random_state=self.seed),
            KNeighborsClassifier(_NEIGHBOURS, weights="distance"),
        )


def _predict(model: Any, x: Floats, labels: NDArray[np.int64], judged: Floats, k: int) -> Floats:
    """(rows judged, k) probabilities; even ones where there is too little to fit a model on."""
    # A class of one row has no spread to fit.
    fit = np.bincount(labels, minlength=k)[labels] >= 2
    x, labels = x[fit], labels[fit]
    classes = np.unique(labels)
    if len(classes) < 2 or len(labels) < _NEIGHBOURS or not x.shape[1] or not len(judged):
        return np.full((len(judged), k), 1 / k)
    model.fit(x, labels)
    probabilities = np.zeros((len(judged), k))
    probabilities[:, classes] = model.predict_proba(judged)
    return probabilities
