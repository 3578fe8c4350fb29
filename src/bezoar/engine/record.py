"""The run record: enough to run an audit again and to judge how it ran."""

import contextlib
import ctypes
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil
import pyarrow as pa
import torch

LIBRARIES = ("bezoar", "numpy", "scipy", "scikit-learn", "torch", "pyarrow", "faiss-cpu", "pillow")


SAMPLED_EVERY = 0.05
"""Seconds between two looks at the memory."""
_M_ARENA_MAX = -8
"""The name of glibc's most heaps (malloc.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a stage took: seconds, processor seconds of this process, and the most memory it held at one time."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(slots=True)
class Stopwatch:
    """What each stage took, and when it all began.

    Parameters
    ----------
    watched : told now and then, while a stage lasts, how many bytes of memory the process holds.
    """

    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    spent: dict[str, Spent] = field(default_factory=dict)
    watched: Callable[[int], None] | None = None
    _origin: float = field(default_factory=time.perf_counter)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage. One that comes again is added up."""
        seconds, cpu, peak = time.perf_counter(), time.process_time(), _Peak(self.watched)
        try:
            with peak:
                yield
        finally:
            give_back()
            before = self.spent.get(name, Spent(seconds=0.0, cpu_seconds=0.0, peak_bytes=0))
            self.spent[name] = Spent(
                seconds=round(before.seconds + time.perf_counter() - seconds, 3),
                cpu_seconds=round(before.cpu_seconds + time.process_time() - cpu, 3),
                peak_bytes=max(before.peak_bytes, peak.bytes),
            )

    @property
    def stages(self) -> dict[str, float]:
        """Seconds by stage."""
        return {name: spent.seconds for name, spent in self.spent.items()}

    @property
    def seconds(self) -> float:
        """Since it began."""
        return round(time.perf_counter() - self._origin, 3)


def give_back() -> None:
    """Return to the system what libraries keep of freed memory: one step's peak would stand under the next one's."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others do without
    if trim is not None:
        trim(0)


def share_heap() -> None:
    """Let all threads of this process allocate from one heap, where a program begins: each would keep freed memory of its own."""
    allow = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's again
    if allow is not None:
        allow(_M_ARENA_MAX, 1)


class _Peak:
    """The most memory (resident set) that the process held while this was entered, looked at by a light thread."""

    def __init__(self, watched: Callable[[int], None] | None) -> None:
        self.bytes = 0
        self._watched = watched
        self._process = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, name="memory", daemon=True)

    def __enter__(self) -> None:
        self._look()
        self._thread.start()

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _look_again_and_again(self) -> None:
        while not self._over.wait(SAMPLED_EVERY):
            self._look()

    def _look(self) -> None:
        held = self._process.memory_info().rss
        self.bytes = max(self.bytes, held)
        if self._watched is not None:
            self._watched(held)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide results."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    return found


def hardware(device: torch.device) -> dict[str, str]:
    """What the audit ran on."""
    found = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count() or 1),
        "device": str(device),
    }
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
