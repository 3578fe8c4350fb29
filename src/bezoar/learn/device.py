"""Where to compute and in which precision."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch

from bezoar.core.errors import ParameterError


def resolve(device: str) -> torch.device:
    """The device named "auto", "cpu", "cuda" or "mps". "auto" is the fastest one present."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if present[name]))
    if device not in present:
        raise ParameterError(f"`device` must be auto, cpu, cuda or mps. Got {device!r}.")
    if not present[device]:
        raise ParameterError(f"`device` {device} is not there. Use auto or cpu.")
    return torch.device(device)


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is native there, so that autocast pays."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return False
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16", " bf16"))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on the calling thread alone for a while."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
