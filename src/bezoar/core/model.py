"""What a model can do. A remote endpoint predicts and no more; the rest are separate abilities."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Inputs

if TYPE_CHECKING:
    from torch import Tensor, nn


@runtime_checkable
class Model(Protocol):
    """Predicts."""

    def predict(self, inputs: Inputs) -> NDArray[np.float32]:
        """(n, k) log-probabilities."""
        ...


@runtime_checkable
class BlackBox(Model, Protocol):
    """Predicts, and says for how many classes. Nothing else is known of it."""

    @property
    def classes(self) -> int:
        """k, the number of columns of a prediction."""
        ...


@runtime_checkable
class HasFeatures(Protocol):
    """Also shows what it computed just before its last layer."""

    def features(self, inputs: Inputs) -> NDArray[np.float32]:
        """(n, d) penultimate features."""
        ...


@runtime_checkable
class HasGradients(BlackBox, Protocol):
    """Can be differentiated from pixels to logits. Pixels are (n, c, h, w) float32 in [0, 1], where the model lives.

    Its network is in evaluation mode and none of its weights asks for a gradient.
    """

    @property
    def network(self) -> "nn.Module":
        """All layers, for those who read or change weights."""
        ...

    def logits(self, pixels: "Tensor") -> "Tensor":
        """(n, k)."""
        ...

    def embed(self, pixels: "Tensor") -> "Tensor":
        """(n, d) penultimate features."""
        ...

    def head(self, features: "Tensor") -> "Tensor":
        """(n, k) logits of penultimate features (n, d)."""
        ...
