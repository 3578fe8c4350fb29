"""An ONNX graph as something that predicts: on the CPU, with operators of its own library alone."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bezoar.core.errors import InputError, UsageError
from bezoar.learn.answers import Predict, line_of
from bezoar.learn.modelfiles.onnx import external_files

_KINDS: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""Types of an input that images can be given as: bytes as they are, others in [0, 1]."""
_ERRORS_ALONE = 3


def require_runtime() -> None:
    """Raise ``UsageError`` where ONNX Runtime is not installed."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "ONNX models need ONNX Runtime, which is not installed. Run: pip install 'bezoar[onnx]'."
        ) from error


def open_onnx(path: Path, sha256: str, shape: tuple[int, ...]) -> Predict:
    """What a graph computes.

    No library of operators is loaded, and nothing is read but the file with this digest and tensors beside it.

    Parameters
    ----------
    path : of a file that the scanner found safe.
    sha256 : of the bytes that it saw.
    shape : (c, h, w) of an image.

    Returns
    -------
    a function of images (n, c, h, w) uint8. A graph that takes floats is given pixels in [0, 1].

    Raises
    ------
    InputError
        The file has changed since, the runtime refuses it, or it does not take one image and give one row each.
    """
    import onnxruntime

    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path}: has changed since it was scanned.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ALONE
    # Threads that wait by spinning take the cores from everybody else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if external_files(memoryview(content)):
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(path.parent.resolve())
        )
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise InputError(f"{path}: ONNX Runtime does not take it: {line_of(error)}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type not in _KINDS or len(inputs[0].shape) != 4:
        taken = ", ".join(f"{each.type} {each.shape}" for each in inputs[:3])
        raise InputError(f"{path}: must take one tensor of images (n, c, h, w). It takes {taken}.")
    wanted = tuple(inputs[0].shape[1:])
    if any(isinstance(size, int) and size != own for size, own in zip(wanted, shape, strict=True)):
        raise InputError(f"{path}: takes images of shape {wanted}; the data's are {shape}.")
    kind, name = _KINDS[inputs[0].type], inputs[0].name
    fixed = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else None

    def run(images: NDArray[np.uint8]) -> NDArray[Any]:
        pixels = images if kind is np.uint8 else (images / np.float32(255)).astype(kind)
        try:
            answer = session.run([outputs[0].name], {name: pixels})[0]
        except _failures() as error:
            raise InputError(f"{path}: ONNX Runtime fails on {len(images)} images: {line_of(error)}") from error
        return np.asarray(answer)

    return run if fixed is None else in_batches_of(fixed, run)


def in_batches_of(size: int, predict: Predict) -> Predict:
    """The same model where it takes so many inputs at a time, no more and no less."""

    def run(images: NDArray[np.uint8]) -> NDArray[Any]:
        parts = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            parts.append(np.asarray(predict(filled))[: len(part)])
        return np.concatenate(parts)

    return run


def _failures() -> tuple[type[Exception], ...]:
    """What the runtime raises: errors of its own, which have no base in common but the widest."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception))
    return (RuntimeError, ValueError, *own)
