"""Shards on the processes of this machine or on a Ray cluster, each kept once it is done."""

import contextlib
import hashlib
import io
import signal
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from bezoar.core.errors import BezoarError
from bezoar.core.files import write_bytes
from bezoar.core.shards import Arrays, Some, Spread, in_order, processors
from bezoar.engine.grids.code import package_code
from bezoar.engine.grids.ray import connected

PATIENCE = 2.0
"""Seconds that shards are worked on in this process alone and nothing is kept: most sets are done by then."""
_IDLE = 10.0
"""Seconds after which a process without work ends itself, also where nobody is left to give it any."""


class _Submits(Protocol):
    """Where work is begun, and how many pieces of it at most before the first is asked for."""

    @property
    def ahead(self) -> int: ...

    def submit(self, function: Callable[[Some], Arrays], shard: Some, /) -> "Future[Arrays]": ...


@contextlib.contextmanager
def spreading(
    *, ray: str | None = None, workers: int | None = None, checkpoints: Path | None = None
) -> Iterator[Spread]:
    """What works on shards while the context lasts. Results do not depend on where, nor on how many work.

    Parameters
    ----------
    ray : address of a Ray cluster, as :func:`bezoar.engine.grids.ray.connected` takes it; None for this machine alone.
    workers : processes of this machine; one a processor where None. 1 stays in this process.
    checkpoints : folder in which the results of finished shards are kept, by the digest of the shard and of the code
        that worked on it. What is kept there is not done again. The first seconds' are not kept: they are sooner done
        again.

    Raises
    ------
    UsageError, InputError
        Ray is not installed, or no cluster answers.
    BezoarError
        While shards are worked on: a worker was killed.
    OutputError
        While shards are worked on: a result cannot be kept.
    """
    with contextlib.ExitStack() as open_until_the_end:
        pool: _Submits
        if ray is not None:
            pool = _OnRay(ahead=2 * open_until_the_end.enter_context(connected(ray, workers=workers)).workers)
        else:
            pool = open_until_the_end.enter_context(_Here(workers=workers or processors()))
        yield _Kept(pool=pool, checkpoints=checkpoints, code=package_code() if checkpoints else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """Spreads shards, and keeps what they give."""

    pool: _Submits
    checkpoints: Path | None
    code: str

    def __call__(self, function: Callable[[Some], Arrays], shards: Iterable[Some]) -> Iterator[Arrays]:
        """As :class:`bezoar.core.shards.Spread` promises."""
        places: deque[Path | None] = deque()
        began = time.monotonic()

        def begun() -> Iterator[Future[Arrays]]:
            for shard in shards:
                path = self._path(function, shard)
                done = None if path is None else _read(path)
                # What is there already needs no keeping.
                places.append(path if done is None else None)
                yield self.pool.submit(function, shard) if done is None else _given(done)

        try:
            for arrays in in_order(begun(), ahead=self.pool.ahead):
                path = places.popleft()
                if path is not None and time.monotonic() - began > PATIENCE:
                    write_bytes(path, _packed(arrays))
                yield arrays
        except BrokenProcessPool as error:
            raise BezoarError(
                "a process that worked on a part of the data was killed, most often because memory ran out. "
                "What is done is kept: go on with --resume."
            ) from error

    def _path(self, function: Callable[[Some], Arrays], shard: Some) -> Path | None:
        """Where the result is kept: by the shard, by what is done with it, and by the code that does it."""
        if self.checkpoints is None:
            return None
        name = f"{function.__module__}:{function.__qualname__}\n{self.code}\n{shard.digest()}"
        return self.checkpoints / f"{hashlib.sha256(name.encode()).hexdigest()}.npz"


@dataclass(slots=True, kw_only=True)
class _Here:
    """Threads at first, processes for what takes longer."""

    workers: int
    _began: float | None = None
    _threads: ThreadPoolExecutor | None = None
    _processes: Any = None

    @property
    def ahead(self) -> int:
        return 2 * self.workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._processes is not None:
            self._processes.shutdown(kill_workers=True)

    def submit(self, function: Callable[[Some], Arrays], shard: Some, /) -> "Future[Arrays]":
        """Begin the work on a shard."""
        self._began = self._began or time.monotonic()
        if self.workers > 1 and time.monotonic() - self._began > PATIENCE:
            self._processes = self._processes or ProcessPoolExecutor(
                self.workers, timeout=_IDLE, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
            )
            begun: Future[Arrays] = self._processes.submit(function, shard)
            return begun
        self._threads = self._threads or ThreadPoolExecutor(self.workers)
        return self._threads.submit(function, shard)


@dataclass(slots=True, kw_only=True)
class _OnRay:
    """Tasks of a cluster, which retries those whose worker died."""

    ahead: int
    _remote: dict[Any, Any] = field(default_factory=dict)

    def submit(self, function: Callable[[Some], Arrays], shard: Some, /) -> "Future[Arrays]":
        """Begin the work on a shard."""
        import ray

        if function not in self._remote:
            self._remote[function] = ray.remote(num_cpus=1, max_retries=2)(function)
        future: Future[Arrays] = self._remote[function].remote(shard).future()
        return future


def _given(arrays: Arrays) -> "Future[Arrays]":
    future: Future[Arrays] = Future()
    future.set_result(arrays)
    return future


def _packed(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return file.getvalue()


def _read(path: Path) -> Arrays | None:
    """A kept result; None where there is none, or not a whole one."""
    try:
        # Opened here, as what is no archive would be left open there.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile):
        return None
