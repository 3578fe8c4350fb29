"""How much a training row moved the answer on other inputs, by the last layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gradients:
    """What the last layer's gradients are made of, at one checkpoint.

    Parameters
    ----------
    errors : (n, k) probabilities less one-hot labels.
    features : (n, d) what the last layer is given.
    """

    errors: NDArray[np.float32]
    features: NDArray[np.float32]

    @classmethod
    def of(
        cls, log_probabilities: NDArray[np.float32], features: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> "Gradients":
        """Of the cross-entropy of these labels (n,)."""
        errors = np.exp(log_probabilities)
        errors[np.arange(len(labels)), labels] -= 1
        return cls(errors=errors, features=features)


def traced_influence(
    train: Sequence[Gradients], aims: Sequence[Gradients], rates: Sequence[float]
) -> NDArray[np.float64]:
    """By how much each training row lowered the mean loss of the aims over the training, to first order.

    The sum over checkpoints of the rate times the product of the row's gradient with the mean gradient of the aims, of the
    weights and biases of the last layer alone. The gradient of weights is the outer product of error and features, so no
    pair of rows is ever visited.

    Parameters
    ----------
    train, aims : at each checkpoint, of n training rows and of other inputs.
    rates : learning rate at each checkpoint.

    Returns
    -------
    (n,), positive for rows that helped the aims' labels, negative for those that stood against them.

    References
    ----------
    Pruthi, Liu, Kale and Sundararajan, "Estimating training data influence by tracing gradient descent", NeurIPS 2020,
    arXiv 2002.08484, equation 1 (TracInCP), section 4.2 (the last layer).
    """
    found = np.zeros(len(train[0].errors))
    for rows, aim, rate in zip(train, aims, rates, strict=True):
        wanted = aim.errors.T.astype(np.float64) @ aim.features / len(aim.errors)
        bias = aim.errors.mean(axis=0)
        found += rate * (np.einsum("nk,nk->n", rows.features @ wanted.T, rows.errors) + rows.errors @ bias)
    return found
