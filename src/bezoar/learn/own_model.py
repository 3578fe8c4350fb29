"""A user's own model: anything that predicts, or a torch network with safe weights."""

import importlib
import inspect
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bezoar.core.data import Inputs
from bezoar.core.errors import InputError
from bezoar.core.model import Model
from bezoar.learn.answers import FAILURES, Predict, kind_of, line_of, log_probabilities
from bezoar.learn.modelfiles import read_tensors

_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnModel:
    """A user's model behind the one promise that audits rely on: log-probabilities.

    Parameters
    ----------
    function : what predicts.
    k : number of classes of the set that is audited.
    name : what to call the model in messages.
    """

    function: Predict
    k: int
    name: str

    def predict(self, inputs: Inputs) -> NDArray[np.float32]:
        """(n, k) log-probabilities of inputs as data sets hold them; see :func:`log_probabilities`.

        Raises
        ------
        InputError
            The model fails, or gives another shape, no numbers, or numbers that are not finite.
        """
        try:
            given = self.function(inputs)
        except FAILURES as error:
            raise InputError(f"model {self.name} fails on {len(inputs)} rows: {line_of(error)}") from error
        return log_probabilities(given, rows=len(inputs), k=self.k, name=self.name)


def load_model(spec: str | Model | Callable[..., Any], *, weights: Path | None, classes: int) -> Model:
    """The model that a user names or passes.

    Parameters
    ----------
    spec : a function of inputs; or "package.module:attribute", where the attribute is such a function, an object
        with ``predict``, a ``torch.nn.Module``, or a class or function that makes one of the latter two when called
        without arguments. Importing runs the module's code: name only code that you trust.
        Functions and ``predict`` get inputs as data sets hold them (images as (n, c, h, w) uint8, tables as
        ``pyarrow.Table``) and give what :func:`log_probabilities` reads. Networks get images as float32 in [0, 1],
        (n, c, h, w), in batches, in evaluation mode and without gradients.
    weights : a ``.safetensors`` file for a network. None leaves it as it was made.
    classes : number of classes of the set.

    Raises
    ------
    InputError
        Nothing there, code that does not import, weights that do not fit or are kept in a pickle, or weights for
        something that is not a torch network.
    """
    name = spec if isinstance(spec, str) else getattr(spec, "__qualname__", kind_of(spec))
    model = _made(_imported(spec) if isinstance(spec, str) else spec, name)
    if isinstance(model, nn.Module):
        if weights is not None:
            _fill(model, weights, name)
        return OwnModel(function=partial(_run, model.eval()), k=classes, name=name)
    if weights is not None:
        raise InputError(f"{weights}: weights can only be put into a torch.nn.Module. {name} is {kind_of(model)}.")
    return OwnModel(function=getattr(model, "predict", model), k=classes, name=name)


def load_network(spec: str, *, weights: Path) -> nn.Module:
    """The ``torch.nn.Module`` at "package.module:attribute", or that what is there makes, with weights from a file.

    The file may be any that :func:`bezoar.learn.modelfiles.read_tensors` takes tensors out of; nothing in it is run.

    Raises
    ------
    InputError
        Nothing there, code that does not import, no network; a file without tensors, weights that do not fit or are not
        finite.
    """
    network = _made(_imported(spec), spec)
    if not isinstance(network, nn.Module):
        raise InputError(f"model {spec} must be a torch.nn.Module, or make one. Got {kind_of(network)}.")
    tensors = read_tensors(weights)
    try:
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise InputError(f"{weights}: cannot be put into {spec}: {line_of(error)}") from error
    _require_fit(missing, unexpected, weights, spec)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(
                f"{weights}: {name} holds numbers that are not finite. No prediction of it means anything."
            )
    return network


def network_maker(spec: str) -> Callable[[], nn.Module]:
    """What makes new networks, by the class or function at "package.module:attribute". It may raise what this does.

    Raises
    ------
    InputError
        Nothing there, code that does not import, what makes no network, or a network that is there already.
    """
    found = _imported(spec)
    if isinstance(found, nn.Module):
        raise InputError(f"model {spec} is one network. To train several, name its class or a function that makes one.")

    def make() -> nn.Module:
        network = _made(found, spec)
        if not isinstance(network, nn.Module):
            raise InputError(f"model {spec} must make a torch.nn.Module. Got {kind_of(network)}.")
        return network

    return make


def open_network(spec: str, weights: Path) -> Predict:
    """What the network of :func:`load_network` computes of images."""
    return partial(_run, load_network(spec, weights=weights).eval())


def _imported(spec: str) -> Any:
    module, _, attribute = spec.partition(":")
    if not module or not attribute:
        raise InputError(f"a model is named as package.module:attribute. Got {spec!r}.")
    try:
        return operator.attrgetter(attribute)(importlib.import_module(module))
    except FAILURES as error:
        raise InputError(f"model {spec} cannot be imported (is its folder on PYTHONPATH?): {line_of(error)}") from error


def _made(found: Any, name: str) -> Any:
    """What was found, or what it makes where it is a class or can be called without arguments."""
    if not isinstance(found, nn.Module) and (isinstance(found, type) or _is_factory(found)):
        try:
            found = found()
        except FAILURES as error:
            raise InputError(
                f"model {name} cannot be made by calling it without arguments: {line_of(error)}"
            ) from error
    if not callable(found) and not hasattr(found, "predict"):
        raise InputError(
            f"model {name} must be a function, a torch.nn.Module or an object with `predict`. Got {kind_of(found)}."
        )
    return found


def _is_factory(found: Any) -> bool:
    if hasattr(found, "predict") or not callable(found):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):
        return False
    return True


def _fill(network: nn.Module, weights: Path, name: str) -> None:
    if weights.suffix != ".safetensors":
        raise InputError(
            f"{weights}: weights are read from .safetensors files only: others can be pickles, which run code when "
            "they are loaded. Save them again with safetensors.torch.save_model."
        )
    try:
        missing, unexpected = safetensors.torch.load_model(network, weights, strict=False)
    except (OSError, RuntimeError, ValueError, safetensors.SafetensorError) as error:
        raise InputError(f"{weights}: cannot be put into {name}: {line_of(error)}") from error
    _require_fit(missing, unexpected, weights, name)


def _require_fit(missing: Iterable[str], unexpected: Iterable[str], weights: Path, name: str) -> None:
    wrong = [f"{key} is missing" for key in sorted(missing)] + [f"{key} has no place" for key in sorted(unexpected)]
    if wrong:
        listed = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise InputError(f"{weights}: does not fit {name}: {listed}.")


def _run(network: nn.Module, images: NDArray[np.uint8]) -> Tensor:
    """(n, k) answers of a network in evaluation mode to images (n, c, h, w)."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH])).to(device).float() / 255)
            for start in range(0, max(1, len(images)), _BATCH)
        ]
        return torch.cat(parts)
