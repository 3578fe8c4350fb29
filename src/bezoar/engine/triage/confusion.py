"""Whether mistakes are those that the model was always close to making."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bezoar.engine.triage.inputs import Failing
from bezoar.maths.stats import Interval, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How failing inputs are confused.

    Parameters
    ----------
    close : share whose true class is the second guess.
    by_chance : that share where guesses are drawn among the other classes.
    target : the class that most are taken for.
    taken : share that is taken for it.
    expected : share that would be if mistakes went where the reference inputs' second guesses lie.
    p_value : of so many, were that so.
    """

    close: Interval
    by_chance: float
    target: int
    taken: Interval
    expected: float
    p_value: float


def confused(
    failing: Failing, reference_log_probabilities: NDArray[np.float32], reference_labels: NDArray[np.int64]
) -> Confusion:
    """Hold the mistakes against where the model's second guesses on reference inputs lie.

    Parameters
    ----------
    reference_log_probabilities : (n, k) of the model on reference inputs with these labels (n,).
    """
    n, k = failing.log_probabilities.shape
    others = failing.log_probabilities.copy()
    others[np.arange(n), failing.predicted] = -np.inf
    close = wilson(int((others.argmax(axis=1) == failing.labels).sum()), n)
    counts = np.bincount(failing.predicted, minlength=k)
    target = int(counts.argmax())
    chances = _second_guesses(reference_log_probabilities, reference_labels)[failing.labels, target]
    return Confusion(
        close=close,
        by_chance=1 / max(1, k - 1),
        target=target,
        taken=wilson(int(counts[target]), n),
        expected=float(chances.mean()),
        p_value=float(stats.poisson_binom.sf(counts[target] - 1, chances)),
    )


def _second_guesses(log_probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(k, k) the share of a class's reference inputs whose best guess but the class is each other class.

    One more is counted for every other class: a pair that was never seen is not impossible.
    """
    n, k = log_probabilities.shape
    others = log_probabilities.copy()
    others[np.arange(n), labels] = -np.inf
    counts = np.ones((k, k)) - np.eye(k)
    np.add.at(counts, (labels, others.argmax(axis=1)), 1)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
