"""What a detector is: a score per unit, higher always more suspicious."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bezoar.core.attack import Trigger
from bezoar.core.model import BlackBox, HasGradients
from bezoar.core.trace import Trace


class Unit(StrEnum):
    """What one score is about."""

    ROW = "row"
    INPUT = "input"
    MODEL = "model"
    QUERY = "query"
    UPDATE = "update"


class Need(StrEnum):
    """What a row detector reads from the trace."""

    LOSSES = "losses"
    HELD_OUT = "held_out"
    FEATURES = "features"
    INPUTS = "inputs"


class Scope(StrEnum):
    """The rows that a row is compared with."""

    BLOCK = "block"
    """Those of its fold and class."""
    FOLD = "fold"
    """Those of its fold."""
    SET = "set"
    """All."""


@runtime_checkable
class RowDetector(Protocol):
    """Scores the rows of a training set from its trace.

    One that compares rows within blocks or folds only may say so by a class attribute ``scope``: parts of a large set are
    then scored side by side on several machines.
    """

    unit: ClassVar[Unit]
    needs: ClassVar[tuple[Need, ...]]

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) finite, higher is more suspicious. The trace stays as it is."""
        ...


@runtime_checkable
class Gathering(RowDetector, Protocol):
    """Scores rows in two steps, of which only the second one looks beyond the detector's ``scope``.

    ``score(trace)`` is ``weigh(trace, gather(trace))``.
    """

    def gather(self, trace: Trace) -> NDArray[np.float64]:
        """(n, w) numbers of each row, from the rows in its scope alone."""
        ...

    def weigh(self, trace: Trace, gathered: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) scores of all rows from what was gathered of all."""
        ...


def scope_of(method: type[RowDetector]) -> Scope:
    """The rows that a detector compares a row with; all where it does not say."""
    return getattr(method, "scope", Scope.SET)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Questioned:
    """A model that may hide a backdoor and can only be asked, with what is at hand to test it.

    Parameters
    ----------
    model : the model; it stays as it is.
    clean : (n, c, h, w) uint8, a few inputs of the kind that it is made for, believed to be clean.
    labels : (n,) int, their classes.
    targets : classes that are asked about; all where None. A detector need not search for triggers towards others.
    """

    model: BlackBox
    clean: NDArray[np.uint8]
    labels: NDArray[np.int64]
    targets: tuple[int, ...] | None = None

    @property
    def sought(self) -> tuple[int, ...]:
        """The classes that are asked about."""
        return tuple(range(self.model.classes)) if self.targets is None else self.targets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suspect(Questioned):
    """The same of a model that can be looked into."""

    model: HasGradients


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """What a detector makes of a model.

    Parameters
    ----------
    scores : (k,) finite, for each class how much it looks like the target of a backdoor; higher is more suspicious.
    triggers : by class, the input transformation that was recovered for it, where one was.
    """

    scores: NDArray[np.float64]
    triggers: Mapping[int, Trigger] = field(default_factory=dict)


@runtime_checkable
class ModelDetector(Protocol):
    """Scores the classes of a model.

    One that only asks the model, so that a :class:`Questioned` is enough, says so by a class attribute ``black_box``; one
    that does by asking what another does better by looking also by ``stand_in``.
    """

    unit: ClassVar[Unit]

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """A score for each class. The same generator gives the same scores on the same machine."""
        ...


Learned = Mapping[str, NDArray[Any]]
"""What a detector of inputs learned, by name: numbers only, so that it can be written to a file and read back."""
Scorer = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""Inputs (n, c, h, w) uint8 to scores (n,), finite, higher is more suspicious. Equal inputs have equal scores."""


@runtime_checkable
class InputDetector(Protocol):
    """Scores inputs of a model at run time."""

    unit: ClassVar[Unit]

    @property
    def passes(self) -> int:
        """How many pictures are passed through a network for each input."""
        ...

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """What scoring needs to know of this model and its clean inputs. The same generator gives the same numbers."""
        ...

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """What scores inputs of the model that was fitted, which stays as it is."""
        ...


def only_asks(method: type[ModelDetector]) -> bool:
    """Whether a detector of models needs nothing of a model but predictions."""
    return getattr(method, "black_box", False)


def only_stands_in(method: type[ModelDetector]) -> bool:
    """Whether a detector of models has nothing to add where a model can be looked into."""
    return getattr(method, "stand_in", False)
