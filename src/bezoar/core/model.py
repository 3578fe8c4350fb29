"""What a model can do. A remote endpoint predicts and no more; the rest are separate abilities."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Inputs


@runtime_checkable
class Model(Protocol):
    """Predicts."""

    def predict(self, inputs: Inputs) -> NDArray[np.float32]:
        """(n, k) log-probabilities."""
        ...


@runtime_checkable
class HasFeatures(Protocol):
    """Also shows what it computed just before its last layer."""

    def features(self, inputs: Inputs) -> NDArray[np.float32]:
        """(n, d) penultimate features."""
        ...
