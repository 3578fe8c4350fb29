"""A model file, opened without running anything in it, as something that detectors can look into."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.model import BlackBox
from bezoar.core.report import Evidence
from bezoar.learn import saved
from bezoar.learn.apart import Apart, Opener
from bezoar.learn.exported import open_exported
from bezoar.learn.modelfiles import Scan, Verdict
from bezoar.learn.onnx_model import open_onnx, require_runtime
from bezoar.learn.own_model import load_network
from bezoar.learn.training import NetworkModel
from bezoar.learn.white_box import WhiteBox, opened, tapped
from bezoar.maths.stats import wilson

EXPORTED = ".pt2"
"""How the name of a program of torch.export ends."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A model under audit.

    Parameters
    ----------
    box : the network, open; or what only predicts, in a process of its own.
    classes : class names, in the order of its logits.
    name, form, sha256 : of its file.
    architecture : by name, or the import path of its code.
    trained : the model with its recipe where it is one of Bezoar's own, for repairs; None where it is somebody's code.
    """

    box: WhiteBox | Apart
    classes: tuple[str, ...]
    name: str
    form: str
    sha256: str
    architecture: str
    trained: NetworkModel | None

    @property
    def parameters(self) -> int:
        """How many numbers it learned; 0 of a black box, where nobody knows."""
        if isinstance(self.box, Apart):
            return 0
        return sum(parameter.numel() for parameter in self.box.network.parameters())


def opener_of(path: Path, scan: Scan, shape: tuple[int, ...], *, run: bool) -> Opener | None:
    """What opens a model that only predicts, elsewhere; None for files that networks are read from.

    Parameters
    ----------
    scan : what the scanner says of it: an ONNX graph must be safe.
    shape : (c, h, w) of an input.
    run : a person said that the program in the file may be run.

    Raises
    ------
    InputError
        It is a program, and nobody said so.
    UsageError
        It needs a library that is not installed.
    """
    if scan.format == "onnx" and scan.verdict is Verdict.SAFE:
        require_runtime()
        return partial(open_onnx, path, scan.sha256, shape)
    if path.suffix == EXPORTED:
        if not run:
            raise InputError(
                f"{path}: is a program, which is run when it is opened and was not analysed. Say --run-model where you trust "
                "those whom it comes from."
            )
        return partial(open_exported, path, scan.sha256, shape)
    return None


def asked(path: Path, scan: Scan, clean: Dataset, box: Apart) -> Opened:
    """A model that only predicts. Its classes are those of the inputs."""
    return Opened(
        box=box,
        classes=clean.classes,
        name=path.name,
        form=scan.format,
        sha256=scan.sha256,
        architecture="black box",
        trained=None,
    )


def open_model(
    path: Path, scan: Scan, clean: Dataset, *, code: str | None, device: torch.device, seconds: float | None = None
) -> Opened:
    """Open a model file.

    Parameters
    ----------
    path : a network that Bezoar saved; or, with `code`, a checkpoint of weights in any form that tensors are read from.
    scan : what the scanner says of it, which found nothing that acts.
    clean : inputs of its kind: their shape and classes are what it must take and give.
    code : "package.module:attribute" of a ``torch.nn.Module`` that takes pixels in [0, 1], or what makes one. Importing
        runs that code: name only code that you trust.
    seconds : that such a network may take for a batch, see :func:`bezoar.learn.white_box.tapped`.

    Raises
    ------
    InputError
        No such file, damaged, weights of another architecture, missing or not finite; a network that fails on these inputs
        or has other classes.
    """
    if code is not None:
        network = load_network(code, weights=path)
        box = tapped(network, clean.images.shape[1:], len(clean.classes), device, seconds)
        return Opened(
            box=box,
            classes=clean.classes,
            name=path.name,
            form=scan.format,
            sha256=scan.sha256,
            architecture=code,
            trained=None,
        )
    if scan.format != "safetensors":
        raise InputError(
            f"{path}: is {scan.format}, which does not say how its network is built. Name its code with --code."
        )
    read = saved.load(path, device)
    return Opened(
        box=opened(read.model),
        classes=read.classes,
        name=path.name,
        form=scan.format,
        sha256=scan.sha256,
        architecture=read.model.recipe.architecture,
        trained=read.model,
    )


def aligned(clean: Dataset, classes: tuple[str, ...], name: str) -> Dataset:
    """The clean inputs with labels in the order of the model's classes.

    Raises
    ------
    InputError
        They have a class that the model has not.
    """
    if clean.classes == classes:
        return clean
    strange = [each for each in clean.classes if each not in classes]
    numbers = tuple(map(str, range(len(classes))))
    if classes == numbers and len(strange) == len(classes) == len(clean.classes):
        return clean  # the model knows its classes as numbers only: the order of the data's is theirs
    if strange:
        raise InputError(f"{clean.name}: has the class {strange[0]!r}, which {name} has not.")
    index = np.array([classes.index(each) for each in clean.classes], dtype=np.int64)
    return Dataset(
        inputs=clean.inputs,
        labels=index[clean.labels],
        classes=classes,
        ids=clean.ids,
        name=clean.name,
        unread=clean.unread,
        notes=clean.notes,
    )


def accuracy(box: BlackBox, clean: Dataset) -> Evidence:
    """Share of the clean inputs that the model gets right."""
    right: NDArray[np.bool_] = box.predict(clean.images).argmax(axis=1) == clean.labels
    share = wilson(int(right.sum()), len(right))
    return Evidence(
        name="clean inputs that the model gets right", value=share.value, low=share.low, high=share.high, n=share.n
    )
