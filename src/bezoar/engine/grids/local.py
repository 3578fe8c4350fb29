"""Rows on processes of this machine."""

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from bezoar.engine.grids.executor import DIED, Ended, ended, kept, work
from bezoar.engine.grids.kinds import Task
from bezoar.engine.grids.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """So many worker processes, each a pool of one: when one is killed, exactly its row is lost and no other.

    Parameters
    ----------
    workers : number of processes.
    """

    workers: int = 1
    name: str = "local"

    def run(self, tasks: Sequence[Task], inputs: Mapping[str, Any]) -> Generator[Ended]:
        """Rows as they end, see :class:`bezoar.engine.grids.executor.Executor`."""
        waiting = deque(dataclasses.replace(task, alone=self.workers == 1) for task in tasks)
        idle = [_Worker() for _ in range(min(self.workers, len(tasks)))]
        busy: dict[Future[tuple[Result, ...]], tuple[_Worker, Task]] = {}
        died: set[str] = set()
        try:
            while waiting or busy:
                while waiting and idle:
                    worker, task = idle.pop(), waiting.popleft()
                    busy[worker.pool.submit(work, task, inputs[task.first.data_digest])] = (worker, task)
                for future in wait(busy, return_when=FIRST_COMPLETED).done:
                    worker, task = busy.pop(future)
                    error = future.exception()
                    if not isinstance(error, BrokenProcessPool):
                        idle.append(worker)
                        yield ended(task, error) if error else Ended(task=task, results=future.result())
                        continue
                    worker.end()
                    idle.append(_Worker())
                    if task.first.row in died:
                        yield Ended(task=task, results=kept(task), reason=DIED)
                    else:
                        died.add(task.first.row)
                        waiting.appendleft(task)
        finally:
            for worker in [*idle, *(worker for worker, _ in busy.values())]:
                worker.end()


@dataclass(slots=True)
class _Worker:
    """A process that outlives its rows but not this one."""

    pool: ProcessPoolExecutor = field(default_factory=lambda: _pool())
    _pid: Future[int] = field(init=False)

    def __post_init__(self) -> None:
        self._pid = self.pool.submit(os.getpid)

    def end(self) -> None:
        """At once, whatever it is doing: what it has done is kept in its row's folder."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(BrokenProcessPool, ProcessLookupError):
            if self._pid.done() and not self._pid.cancelled():
                os.kill(self._pid.result(), signal.SIGKILL)


def _pool() -> ProcessPoolExecutor:
    # Spawned, not forked: torch and faiss have threads, which a fork would leave behind in any state.
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """In a worker: Ctrl-C is the driver's to answer, and a worker whose driver is gone has nobody to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.join,), daemon=True).start()


def _follow(gone: Any) -> None:
    gone()
    os._exit(1)
