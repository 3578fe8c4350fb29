"""What a check says of a method that breaks its contract."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from bezoar.core import digest
from bezoar.core.errors import ContractError

Check = Callable[[type[Any]], None]


def promise(method: type[Any], kept: bool, what: str) -> None:
    """Raise ``ContractError`` where a method does not keep what every one of its kind does."""
    if not kept:
        raise ContractError(f"{method.__module__}.{method.__qualname__} breaks its contract: a method {what}.")


def has(method: type[Any], field: str) -> bool:
    """Whether a method can be configured so."""
    return field in (each.name for each in dataclasses.fields(method))


def fingerprint(value: Any) -> str:
    """A hash of everything in a dataclass of arrays, whatever it has cached."""
    sha = hashlib.sha256()
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if isinstance(content, pa.Table):
            sha.update(b"".join(digest.inputs(content)))
        elif isinstance(content, np.ndarray):
            sha.update(repr((content.shape, content.dtype)).encode() + content.tobytes())
        elif dataclasses.is_dataclass(content):
            sha.update(fingerprint(content).encode())
        else:
            sha.update(repr(content).encode())
    return sha.hexdigest()
