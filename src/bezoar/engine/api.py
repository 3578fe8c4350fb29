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
from bezoar.engine.models import nulls
from bezoar.engine.models.audit import INPUTS, ModelSettings
from bezoar.engine.models.audit import audit_model as inspected
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


def audit_model(
    model: "str | os.PathLike[str]",
    data: "Dataset | str | os.PathLike[str]",
    *,
    detectors: Sequence[str] | None = None,
    controls: bool = True,
    code: str | None = None,
    null: "str | os.PathLike[str] | None" = None,
    inputs: int = INPUTS,
    run_model: bool = False,
    seed: int = 0,
    device: str = "auto",
    roles: Roles | None = None,
) -> Report:
    """Audit a trained image classifier: does it hide a backdoor, towards which class, by what trigger?

    Parameters
    ----------
    model : its file, see `bezoar audit model`. Nothing in it is run.
    data : clean labelled inputs of its kind, 40 or more.
    detectors : names of model detectors; all that suit it where None.
    controls : whether to teach copies a backdoor and see whether they are caught.
    code : "package.module:attribute" of the network, for a file that holds weights alone. It is run.
    null : a file that `bezoar calibrate` wrote; the one that is shipped for the architecture where None.
    inputs : clean inputs that are used at most.
    run_model : whether a program in a .pt2 file may be run.
    seed : the same seed gives the same verdict.
    device : "auto", "cpu", "cuda" or "mps".
    roles : which column of the data is what, where that is not plain.

    Returns
    -------
    The report; ``report.rows`` is a table with one line a class.

    Raises
    ------
    InputError
        The file cannot be opened or does not fit, or there are too few inputs for any claim.
    """
    settings = ModelSettings(
        seed=seed,
        detectors=None if detectors is None else tuple(detectors),
        controls=controls,
        code=code,
        null=None if null is None else nulls.read(Path(null)),
        inputs=inputs,
        run_model=run_model,
        device=device,
    )
    clean = data if isinstance(data, Dataset) else read(data, roles=roles or Roles())
    return inspected(Path(model), clean, settings)


def _path(path: "str | os.PathLike[str] | None") -> Path | None:
    return None if path is None else Path(path)
