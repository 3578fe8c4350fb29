"""Where to compute and in which precision."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController

from bezoar.core.errors import ParameterError

Item = TypeVar("Item")
Result = TypeVar("Result")


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


@functools.cache
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
    """Let torch compute on the calling thread alone for a while, and on the threads that it starts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results of `work` on each item, in order, computed by a thread a core with single-threaded arithmetic.

    Libraries that split small matrices over threads spend their time waiting: ten times as much, measured on two busy
    cores.
    """
    with _libraries(len(sys.modules)).limit(limits=1), one_thread():
        return dealt_out(work, items)


@functools.lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """The libraries with threads that came with so many modules: looking for them takes milliseconds."""
    return ThreadpoolController()


def dealt_out(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """As :func:`side_by_side`, for parts of a work that runs in it: arithmetic is single-threaded already.

    More threads than cores run then, for no longer than there is other work: the longest work has no tail on one core.
    """
    several = list(items)
    if len(several) < 2:
        return [work(item) for item in several]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, several))
