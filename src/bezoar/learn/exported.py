"""A program of torch.export as something that predicts. Loading one is running it: only where a person said so."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bezoar.core.errors import InputError
from bezoar.learn.answers import FAILURES, Predict, line_of
from bezoar.learn.onnx_model import in_batches_of


def open_exported(path: Path, sha256: str, shape: tuple[int, ...]) -> Predict:
    """What a program computes. Its file can hold anything that torch evaluates or unpickles: name only one that you trust.

    Parameters
    ----------
    path : of a ``.pt2`` file.
    sha256 : of the bytes that the scanner saw.
    shape : (c, h, w) of an image.

    Returns
    -------
    a function of images (n, c, h, w) uint8, of which the program is given pixels in [0, 1].

    Raises
    ------
    InputError
        The file has changed since, is no such program, or does not take one tensor of images.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise InputError(f"{path}: has changed since it was scanned.")
        file.seek(0)
        try:
            program = torch.export.load(file)
            network = program.module()
        except FAILURES as error:
            raise InputError(f"{path}: is no program of torch.export that can be read: {line_of(error)}") from error
    names = program.graph_signature.user_inputs
    taken = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(taken) != 1 or not isinstance(taken[0], Tensor) or taken[0].ndim != 4:
        raise InputError(f"{path}: must take one tensor of images (n, c, h, w).")
    wanted = tuple(taken[0].shape[1:])
    if any(isinstance(size, int) and size != own for size, own in zip(wanted, shape, strict=True)):
        raise InputError(f"{path}: takes images of shape {wanted}; the data's are {shape}.")

    def run(images: NDArray[np.uint8]) -> Tensor:
        with torch.inference_mode():
            answer: Tensor = network(torch.from_numpy(images).to(taken[0].dtype) / 255)
        return answer

    fixed = taken[0].shape[0]
    return in_batches_of(fixed, run) if isinstance(fixed, int) else run
