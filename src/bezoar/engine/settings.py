"""What a person can ask of an audit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bezoar.core.data import Dataset
from bezoar.core.model import Model
from bezoar.data.spool import Means
from bezoar.engine.record import Stopwatch
from bezoar.learn.recipe import Recipe

Progress = Callable[[str, float], None]
"""Told the stage and the share of it that is done, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How an audit was asked for, for the record.

    Parameters
    ----------
    command : the command line.
    given : arguments that a person gave.
    defaults : the others, with the values that they had.
    """

    command: str
    given: Mapping[str, Any]
    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a data set is audited.

    Parameters
    ----------
    seed : decides folds, weights, probes and controls.
    detectors : names of row detectors; all that there are where None.
    controls : whether to spike known poison into a copy and measure what the audit catches.
    trusted : clean rows of the same kind, or None.
    model : the user's own model, or None; triggers are tried on it as well.
    recipe : how networks are trained, or None to choose by size.
    device : "auto", "cpu", "cuda" or "mps".
    checkpoints : folder in which trainings leave what they need to be resumed, or None.
    asked : how the audit was asked for; None where a program called, whose settings then speak for themselves.
    progress : told how far the audit is.
    means : how much memory may be used, and who works on shards.
    watch : what tells the time, where it began before the audit did.
    """

    seed: int = 0
    detectors: tuple[str, ...] | None = None
    controls: bool = True
    trusted: Dataset | None = None
    model: Model | None = None
    recipe: Recipe | None = None
    device: str = "auto"
    checkpoints: Path | None = None
    asked: Asked | None = None
    progress: Progress | None = None
    means: Means = field(default_factory=Means)
    watch: Stopwatch = field(default_factory=Stopwatch)
