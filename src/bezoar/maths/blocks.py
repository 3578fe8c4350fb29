"""Wide arrays a block of rows at a time, so that what is made of a block stays near the processor."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Result = TypeVar("Result")

# Numbers of a block: a megabyte in double precision.
_BLOCK = 2**17
# Blocks a core whose results may wait for the one before them: bounds memory.
_AHEAD = 4


def by_blocks(work: Callable[[slice], Result], rows: int, width: int) -> Iterator[Result]:
    """The results of `work` on slices of rows, in order, computed by a thread a core.

    The slices depend on the size of the array alone, so that sums over them come out the same on any machine. Of no
    rows there is one slice, which is empty.

    Parameters
    ----------
    rows, width : of the array that is worked on.
    """
    step = max(1, _BLOCK // max(1, width))
    blocks = [slice(start, min(start + step, rows)) for start in range(0, max(1, rows), step)]
    if len(blocks) == 1:
        yield work(blocks[0])
        return
    cores = os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) > _AHEAD * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
