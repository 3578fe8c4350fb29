"""What a model answers, whoever wrote it: checked, and brought to log-probabilities."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from bezoar.core.data import Inputs
from bezoar.core.errors import BezoarError, InputError

Predict = Callable[[Inputs], Any]
"""Inputs of n rows to (n, k) probabilities, log-probabilities or logits, as an array or a tensor."""

_TOLERANCE = 5e-3
"""By how much a row of probabilities may miss a sum of 1: bfloat16 rounds that coarsely."""
_LOWEST = -100.0
"""Log-probabilities are not taken to be smaller than this, so that all of them are finite."""
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BezoarError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What somebody else's code may raise; anything more unusual is not hidden."""


def log_probabilities(given: Any, *, rows: int, k: int, name: str) -> NDArray[np.float32]:
    """(n, k) log-probabilities from a model's answer.

    Nowhere negative, and a sum of 1 in every row: probabilities. Anything else: log-probabilities or logits, which
    need no telling apart, as normalising leaves log-probabilities as they are. Log-probabilities below -100 (minus
    infinity, too) and probabilities below e^-100 count as that.

    Raises
    ------
    InputError
        Another shape, no numbers, NaN, plus infinity, or a row that is minus infinity throughout.
    """
    answer = numbers(given, name)
    if answer.shape != (rows, k):
        wanted = f"({rows}, {k}), a column for each class of the set"
        raise InputError(f"model {name} must answer with shape {wanted}. Got {answer.shape}.")
    bad = np.isnan(answer).any(axis=1) | ~np.isfinite(answer.max(axis=1))
    if bad.any():
        raise InputError(f"model {name} answers with NaN or infinity for {bad.sum()} of {rows} rows.")
    if (answer >= 0).all() and np.allclose(answer.sum(axis=1), 1, rtol=0, atol=_TOLERANCE):
        answer = np.log(np.maximum(answer, np.exp(_LOWEST)))
    return np.maximum(log_softmax(answer, axis=1), _LOWEST).astype(np.float32)


def numbers(given: Any, name: str) -> NDArray[np.float64]:
    """An answer as an array. Raises ``InputError`` where it holds no numbers."""
    # A tensor of torch, which is not imported here: a process for somebody's model needs none of it.
    if hasattr(given, "detach"):
        given = given.detach().cpu().double().numpy()
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"model {name} must answer with an array of numbers. Got {kind_of(given)}.") from error


def kind_of(found: Any) -> str:
    """The name of a thing's type, for messages."""
    return type(found).__name__


def line_of(error: BaseException) -> str:
    """An error of somebody else's code on one line."""
    return " ".join(f"{kind_of(error)}: {error}".split())[:300]
