"""Wide arrays a block of rows at a time, so that what is made of a block stays near the processor."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Result = TypeVar("Result")

# Numbers of a block: two megabytes in double precision.
_BLOCK = 2**18
# Blocks a core whose results may wait for the one before them: bounds memory.
_AHEAD = 4


def blocks(rows: slice, width: int, *, together: int = 1) -> list[slice]:
    """Slices of these rows of an array so wide, one at least: as many as stay near the processor, or times as many."""
    step = max(1, _BLOCK // max(1, width)) * together
    return [slice(start, min(start + step, rows.stop)) for start in range(rows.start, rows.stop, step)] or [rows]


def by_blocks(work: Callable[[slice], Result], rows: int, width: int, *, together: int = 1) -> Iterator[Result]:
    """The results of `work` on slices of rows, in order, computed by a thread a core.

    The slices depend on the size of the array alone, so that sums over them come out the same on any machine. Of no
    rows there is one slice, which is empty.

    Parameters
    ----------
    rows, width : of the array that is worked on.
    together : blocks in a slice, for work that goes through its slice by :func:`blocks` and adds up what it finds.
    """
    slices = blocks(slice(0, rows), width, together=together)
    if len(slices) == 1:
        yield work(slices[0])
        return
    cores = os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
        for each in slices:
            waiting.append(pool.submit(work, each))
            if len(waiting) > _AHEAD * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
