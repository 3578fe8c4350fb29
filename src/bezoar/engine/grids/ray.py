"""Rows on a Ray cluster: scheduling, retries and the transfer of data sets are Ray's."""

import contextlib
import logging
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bezoar.core.errors import InputError, UsageError
from bezoar.engine.grids.executor import DIED, Ended, ended, kept, work
from bezoar.engine.grids.kinds import Task

_CONNECT, _ANSWER = 5.0, 14.0
"""Seconds to reach an address, and seconds for a cluster to answer there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ray:
    """The workers of the cluster that this process is connected to, see :func:`connected`. Each row takes one core."""

    workers: int
    name: str = "ray"

    def run(self, tasks: Sequence[Task], inputs: Mapping[str, Any]) -> Generator[Ended]:
        """Rows as they end, see :class:`bezoar.engine.grids.executor.Executor`."""
        import ray

        shared = {digest: ray.put(inputs[digest]) for digest in {task.first.data_digest for task in tasks}}
        remote = ray.remote(num_cpus=1, max_retries=1)(work)
        running = {remote.remote(task, shared[task.first.data_digest]): task for task in tasks}
        try:
            while running:
                for reference in ray.wait(list(running), num_returns=1)[0]:
                    task = running.pop(reference)
                    try:
                        results = ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        yield ended(task, error.cause if isinstance(error.cause, BaseException) else error)
                    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                        yield Ended(task=task, results=kept(task), reason=DIED)
                    except ray.exceptions.RayError as error:
                        yield ended(task, error)
                    else:
                        yield Ended(task=task, results=results)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


@contextlib.contextmanager
def connected(address: str, *, workers: int | None = None) -> Iterator[Ray]:
    """The cluster at an address, while the context lasts.

    Parameters
    ----------
    address : "host:port", "ray://host:port", or "auto": the cluster that runs on this machine, else one that is
        started for this grid alone.
    workers : cores of a cluster that is started; all of the machine's where None. A cluster that is there already
        has the cores that it has.

    Raises
    ------
    UsageError
        Ray is not installed.
    InputError
        No cluster answers at the address within 20 seconds.
    """
    # Read when Ray is imported: nothing phones home.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("`--ray` needs Ray, which is not installed. Run: pip install 'bezoar[ray]'.") from error
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address != "auto":
        _require_answer(address)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tip: In future versions of Ray", FutureWarning)
        try:
            ray.init(address=address, **quiet)
        except ConnectionError:
            if address != "auto":
                raise
            ray.init(address="local", num_cpus=workers or os.cpu_count(), include_dashboard=False, **quiet)
    try:
        yield Ray(workers=int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]  # Ray leaves it untyped
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise ``InputError`` unless a cluster answers.

    Ray itself waits for minutes and may end the whole process, so another process asks first.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    silent = InputError(f"{address[:200]}: no Ray cluster answers there.")
    if not (host and port.isdecimal()):
        raise UsageError(f"`--ray` must be auto, host:port or ray://host:port. Got {address[:200]!r}.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise silent from error
    code = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"
    try:
        asked = subprocess.run([sys.executable, "-c", code, address], capture_output=True, timeout=_ANSWER, check=False)
    except subprocess.TimeoutExpired as error:
        raise silent from error
    if asked.returncode:
        raise silent
