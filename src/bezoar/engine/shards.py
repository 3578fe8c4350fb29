"""Shards on the processes of this machine or on a Ray cluster, each kept once it is done."""

import contextlib
import hashlib
import io
import signal
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from bezoar.core import digest
from bezoar.core.errors import BezoarError
from bezoar.core.files import write_bytes
from bezoar.core.shards import Arrays, Common, Shard, Some, Spread, processors
from bezoar.engine.grids.code import package_code
from bezoar.engine.grids.ray import connected

PATIENCE = 2.0
"""Seconds that shards are worked on in this process alone and nothing is kept: most sets are done by then."""
_AT_HAND = 16
"""Shards at least that are begun before the first is asked for, where they hold nothing of their own."""
_IDLE = 10.0
"""Seconds after which a process without work ends itself, also where nobody is left to give it any."""


class _Submits(Protocol):
    """Where work is begun, and how many pieces of it at most before the first is asked for."""

    @property
    def ahead(self) -> int: ...

    def sent(self, arrays: Arrays) -> Any:
        """What to submit for arrays that many pieces of work need."""
        ...

    def submit(self, function: Callable[..., Arrays], /, *given: Any) -> "Future[Arrays]": ...

    def plainly(self) -> contextlib.AbstractContextManager[None]:
        """Within it, errors say what went wrong with the work, whoever it was that told."""
        ...


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
        threads = open_until_the_end.enter_context(_InThreads(workers=processors() if ray else workers or processors()))
        pool: _Submits
        if ray is not None:
            pool = _OnRay(ahead=2 * open_until_the_end.enter_context(connected(ray, workers=workers)).workers)
        else:
            pool = open_until_the_end.enter_context(_Here(threads=threads))
        code = package_code() if checkpoints else ""
        yield _Kept(pool=pool, threads=threads, alone=ray is None, checkpoints=checkpoints, code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """Spreads shards, and keeps what they give."""

    pool: _Submits
    threads: _Submits
    alone: bool
    checkpoints: Path | None
    code: str

    def __call__(
        self, function: Callable[[Some, *Common], Arrays], shards: Iterable[Some], *common: *Common
    ) -> Iterator[Arrays]:
        """As :class:`bezoar.core.shards.Spread` promises."""
        return self._by(self.pool, function, shards, common)

    def here(
        self, function: Callable[[Some, *Common], Arrays], shards: Iterable[Some], *common: *Common
    ) -> Iterator[Arrays]:
        """As :class:`bezoar.core.shards.Spread` promises."""
        return self._by(self.threads, function, shards, common)

    def _by(
        self, pool: _Submits, function: Callable[..., Arrays], shards: Iterable[Some], common: tuple[Any, ...]
    ) -> Iterator[Arrays]:
        began = time.monotonic()
        work = f"{function.__module__}:{function.__qualname__}\n{self.code}\n".encode()
        if self.checkpoints is not None:
            work += b"".join(map(digest.arrays, common))
        waiting: deque[_Begun] = deque()
        with pool.plainly():
            sent = tuple(map(pool.sent, common))
            for shard in shards:
                path = self._path(work, shard)
                done = None if path is None else _read(path)
                future = pool.submit(function, shard, *sent) if done is None else _given(done)
                # What is there already needs no keeping.
                waiting.append(_Begun(future, path if done is None else None))
                if len(waiting) > pool.ahead:
                    yield _first(waiting, began)
            while waiting:
                yield _first(waiting, began)

    def _path(self, work: bytes, shard: Shard) -> Path | None:
        """Where the result is kept: by what is done, by the code that does it, by what is common, and by the shard."""
        if self.checkpoints is None:
            return None
        return self.checkpoints / f"{hashlib.sha256(work + shard.digest().encode()).hexdigest()}.npz"


@dataclass(slots=True, eq=False)
class _Begun:
    """Work that was begun, and where its result is still to be kept."""

    future: "Future[Arrays]"
    path: Path | None


def _first(waiting: deque[_Begun], began: float) -> Arrays:
    """The result of what was begun first. It may take long: what ends before it is kept meanwhile."""
    while True:
        ended = [each for each in waiting if each.future.done()]
        for each in ended:
            if each.path is not None and time.monotonic() - began > PATIENCE:
                write_bytes(each.path, _packed(each.future.result()))
                each.path = None
        if ended and ended[0] is waiting[0]:
            return waiting.popleft().future.result()
        wait([each.future for each in waiting if each not in ended], return_when=FIRST_COMPLETED)


@dataclass(slots=True, kw_only=True)
class _InThreads:
    """Threads of this process."""

    workers: int
    _threads: ThreadPoolExecutor = field(init=False)

    @property
    def ahead(self) -> int:
        return max(_AT_HAND, 2 * self.workers)

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(self.workers)
        return self

    def __exit__(self, *raised: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def sent(self, arrays: Arrays) -> Arrays:
        """The very arrays."""
        return arrays

    def submit(self, function: Callable[..., Arrays], /, *given: Any) -> "Future[Arrays]":
        """Begin the work on a shard."""
        return self._threads.submit(function, *given)

    def plainly(self) -> contextlib.AbstractContextManager[None]:
        """Errors of threads are told as they are."""
        return contextlib.nullcontext()


@dataclass(slots=True, kw_only=True)
class _Here:
    """Threads at first, processes for what takes longer."""

    threads: _InThreads
    _began: float | None = None
    _processes: Any = None

    @property
    def ahead(self) -> int:
        return 2 * self.threads.workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._processes is not None:
            self._processes.shutdown(kill_workers=True)

    def sent(self, arrays: Arrays) -> Arrays:
        """The very arrays: processes get a copy with each shard."""
        return arrays

    def submit(self, function: Callable[..., Arrays], /, *given: Any) -> "Future[Arrays]":
        """Begin the work on a shard."""
        self._began = self._began or time.monotonic()
        if self.threads.workers > 1 and time.monotonic() - self._began > PATIENCE:
            self._processes = self._processes or ProcessPoolExecutor(
                self.threads.workers, timeout=_IDLE, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
            )
            begun: Future[Arrays] = self._processes.submit(function, *given)
            return begun
        return self.threads.submit(function, *given)

    @contextlib.contextmanager
    def plainly(self) -> Iterator[None]:
        """Tell of a process that was killed."""
        try:
            yield
        except BrokenProcessPool as error:
            raise BezoarError(
                "a process that worked on a part of the data was killed, most often because memory ran out. "
                "What is done is kept: go on with --resume."
            ) from error


@dataclass(slots=True, kw_only=True)
class _OnRay:
    """Tasks of a cluster, which retries those whose worker died."""

    ahead: int
    _remote: dict[Any, Any] = field(default_factory=dict)

    def sent(self, arrays: Arrays) -> Any:
        """A reference: Ray brings them to a machine once, where its workers share them."""
        import ray

        return ray.put(arrays)

    def submit(self, function: Callable[..., Arrays], /, *given: Any) -> "Future[Arrays]":
        """Begin the work on a shard."""
        import ray

        if function not in self._remote:
            self._remote[function] = ray.remote(num_cpus=1, max_retries=2)(function)
        future: Future[Arrays] = self._remote[function].remote(*given).future()
        return future

    @contextlib.contextmanager
    def plainly(self) -> Iterator[None]:
        """Tell what the work raised as if it had been done here, and of a cluster that failed."""
        import ray

        try:
            yield
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, BaseException) else error) from None
        except ray.exceptions.RayError as error:
            why = str(error).strip().partition("\n")[0]
            raise BezoarError(
                f"the cluster could not finish the work on a part of the data: {type(error).__name__}: {why} "
                "What is done is kept: go on with --resume."
            ) from error


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
