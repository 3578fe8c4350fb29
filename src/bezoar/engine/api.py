"""The Python door: what the command line does, as functions."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bezoar.core.data import Dataset
from bezoar.core.errors import ParameterError
from bezoar.core.model import Model
from bezoar.core.report import Report
from bezoar.data import Roles, read
from bezoar.data.spool import Means
from bezoar.engine.audit import audit
from bezoar.engine.memory import bounded
from bezoar.engine.record import Stopwatch
from bezoar.engine.settings import Asked, Progress, Settings
from bezoar.learn.own_model import load_model


def audit_data(
    data: "Dataset | str | os.PathLike[str]",
    *,
    detectors: Sequence[str] | None = None,
    controls: bool = True,
    trusted: "Dataset | str | os.PathLike[str] | None" = None,
    model: "Model | str | Callable[..., object] | None" = None,
    weights: "str | os.PathLike[str] | None" = None,
    seed: int = 0,
    device: str = "auto",
    roles: Roles | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    asked: Asked | None = None,
    means: Means | None = None,
    watch: Stopwatch | None = None,
) -> Report:
    """Audit a labelled training set.

    Parameters
    ----------
    data : a data set, or what `bezoar audit data` takes: a built-in name, a file or a folder.
    detectors : names of row detectors; all where None.
    controls : whether to plant known poison in a copy and measure what this audit catches of it.
    trusted : clean rows of the same kind, if there are any.
    model : your own model: triggers that are found are tried on it. A callable, or "package.module:attribute".
    weights : ".safetensors" file for a `model` that is a torch module.
    seed : the same seed gives the same report, timings aside.
    device : "auto", "cpu", "cuda" or "mps".
    roles : which column is what, where that is not plain.
    checkpoints : folder from which a stopped audit is resumed.
    progress : told (stage, share done).
    asked : how a person asked for it, for the run record.
    means : how much memory may be used and who works on shards, see :func:`bezoar.engine.shards.spreading`.
    watch : tells the time, where the reading before shall be in the run record as well.

    Returns
    -------
    The report; ``report.rows`` is a table with one line a row, ``report.findings`` what was found and
    ``report.power`` what this audit would have caught.

    Raises
    ------
    InputError
        The data cannot be read, or are too few for any claim.
    ParameterError
        Weights without a model.
    """
    means, watch = means or Means(), watch or Stopwatch()
    if not isinstance(data, Dataset):
        with watch.stage("reading"):
            data = read(data, roles=roles or Roles(), means=bounded(means))
    if not (trusted is None or isinstance(trusted, Dataset)):
        trusted = read(trusted, roles=roles or Roles(), means=means)
    if weights is not None and model is None:
        raise ParameterError("`weights` belong to a `model`. Name one.")
    own = None if model is None else load_model(model, weights=_path(weights), classes=len(data.classes))
    settings = Settings(
        seed=seed,
        detectors=None if detectors is None else tuple(detectors),
        controls=controls,
        trusted=trusted,
        model=own,
        device=device,
        checkpoints=checkpoints,
        progress=progress,
        asked=asked,
        means=means,
        watch=watch,
    )
    return audit(data, settings)


def _path(path: "str | os.PathLike[str] | None") -> Path | None:
    return None if path is None else Path(path)
