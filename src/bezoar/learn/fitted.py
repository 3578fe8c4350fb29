"""What cross-fitting gives: a trace, and the models that left it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Inputs, take_inputs
from bezoar.core.model import Model
from bezoar.core.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossFit:
    """A trace with the models that left it.

    ``models[f]`` never saw the rows with ``trace.fold == f``.
    """

    trace: Trace
    models: tuple[Model, ...]

    def predict(self, inputs: Inputs, fold: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m, k) log-probabilities of inputs, each by the model that never saw its fold."""
        out = np.empty((len(fold), len(self.trace.data.classes)), dtype=np.float32)
        for index, model in enumerate(self.models):
            rows = np.flatnonzero(fold == index)
            if len(rows):
                out[rows] = model.predict(take_inputs(inputs, rows))
        return out
