"""A stand-in for other machines: shards go there as bytes."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bezoar.core.shards import Arrays, in_threads


class Posted:
    """Works on shards that were pickled, beside what is common to all and cannot be written to."""

    alone = False
    here = in_threads.here

    def __init__(self) -> None:
        self.posted: list[bytes] = []

    def __call__(self, function: Callable[..., Arrays], shards: Iterable[Any], *common: Arrays) -> Iterator[Arrays]:
        for arrays in common:
            for array in arrays.values():
                array.flags.writeable = False
        for shard in shards:
            sent = pickle.dumps((function, shard))
            self.posted.append(sent)
            work, shard = pickle.loads(sent)
            yield work(shard, *common)
