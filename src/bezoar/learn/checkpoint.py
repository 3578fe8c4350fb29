"""Where a stopped training is taken up again: one safetensors file, in which nothing can be executed."""

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from bezoar.core.files import write_bytes

_HEADER_BYTES = 1024**2


def save(path: Path, tensors: Mapping[str, Tensor], *, identity: str) -> None:
    """Write `tensors` under the `identity` of the training that they belong to.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(path, safetensors.torch.save(plain, {"identity": identity}))


def load(path: Path, *, identity: str, like: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors that :func:`save` wrote for the same training.

    None where there is no such file, or it is damaged, belongs to another training, or holds anything but finite
    tensors with the names, shapes and types of `like`.
    """
    try:
        if path.stat().st_size > _HEADER_BYTES + sum(value.nbytes for value in like.values()):
            return None
        with safetensors.safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("identity") != identity or set(file.keys()) != set(like):
                return None
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in like}
    except (OSError, safetensors.SafetensorError):
        return None
    fits = all(
        tensors[name].shape == value.shape
        and tensors[name].dtype == value.dtype
        and torch.isfinite(tensors[name]).all()
        for name, value in like.items()
    )
    return tensors if fits else None
