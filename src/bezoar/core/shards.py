"""Work cut into shards: what a shard gives, and who works on it."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
"""What work on a shard gives: arrays of numbers or text by name, never objects."""


class Shard(Protocol):
    """A part of a larger work, of a size that one worker holds."""

    def digest(self) -> str:
        """SHA-256 of all that decides what the work on it gives, as hexadecimal text."""
        ...


Some = TypeVar("Some", bound=Shard)
Given = TypeVar("Given")


class Spread(Protocol):
    """Works on shards somewhere: in threads, in processes, on a cluster. The result never depends on where."""

    def __call__(self, function: Callable[[Some], Arrays], shards: Iterable[Some]) -> Iterator[Arrays]:
        """The result of `function` on each shard, in their order. Few shards are held at a time."""
        ...


def in_threads(function: Callable[[Some], Arrays], shards: Iterable[Some]) -> Iterator[Arrays]:
    """Work in this process, a thread a processor."""
    pool = ThreadPoolExecutor(processors())
    try:
        yield from in_order((pool.submit(function, shard) for shard in shards), ahead=2 * processors())
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(futures: Iterable["Future[Given]"], *, ahead: int) -> Iterator[Given]:
    """Results in order, with at most `ahead` pieces of work begun and not yet asked for."""
    waiting: deque[Future[Given]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
