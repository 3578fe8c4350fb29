"""Work cut into shards: what a shard gives, and who works on it."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, TypeVarTuple

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
"""What work on a shard gives: arrays of numbers or text by name, never objects."""


class Shard(Protocol):
    """A part of a larger work, of a size that one worker holds."""

    def digest(self) -> str:
        """SHA-256 of all that decides what the work on it gives, as hexadecimal text."""
        ...


Some = TypeVar("Some", bound=Shard)
Common = TypeVarTuple("Common")
Given = TypeVar("Given")


class Spread(Protocol):
    """Works on shards somewhere: in threads, in processes, on a cluster. The result never depends on where."""

    @property
    def alone(self) -> bool:
        """Whether there is this machine and no other: arrays at hand are then best worked on where they are."""
        ...

    def __call__(
        self, function: Callable[[Some, *Common], Arrays], shards: Iterable[Some], *common: *Common
    ) -> Iterator[Arrays]:
        """The result of `function` on each shard, in their order. Few shards are held at a time.

        Parameters
        ----------
        function : gets a shard and what is common to all. It writes to neither.
        common : :data:`Arrays` that every shard needs. A cluster sends them to a machine once.
        """
        ...

    def here(
        self, function: Callable[[Some, *Common], Arrays], shards: Iterable[Some], *common: *Common
    ) -> Iterator[Arrays]:
        """The same in threads of this process: for shards that refer to what is large and at hand."""
        ...


@dataclass(frozen=True, slots=True)
class Threads:
    """Work in this process, by so many threads; one a processor where None, the thread that asks where it is 1."""

    count: int | None = None

    @property
    def alone(self) -> bool:
        """As :class:`Spread` promises."""
        return True

    def __call__(
        self, function: Callable[[Some, *Common], Arrays], shards: Iterable[Some], *common: *Common
    ) -> Iterator[Arrays]:
        """As :class:`Spread` promises."""
        count = self.count or processors()
        if count == 1:
            yield from (function(shard, *common) for shard in shards)
            return
        pool = ThreadPoolExecutor(count)
        try:
            yield from in_order((pool.submit(function, shard, *common) for shard in shards), ahead=2 * count)
        finally:
            pool.shutdown(cancel_futures=True)

    here = __call__


in_threads = Threads()
"""Work in this process, a thread a processor."""


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
