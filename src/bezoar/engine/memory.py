"""How much memory an audit takes, told before it is taken."""

import dataclasses
import math
from functools import partial
from typing import Any

import numpy as np

from bezoar.core.data import Dataset, Modality
from bezoar.core.errors import UsageError
from bezoar.core.shards import processors
from bezoar.data.spool import KEPT, Coming, Means, is_mapped
from bezoar.engine.backdoor import FILTER_DIMENSIONS, NULL_ROWS
from bezoar.learn.recipe import Recipe
from bezoar.learn.table_model import SHOWN_CATEGORIES, is_number

PROGRAM, THREAD = 590 * 10**6, 25 * 10**6
"""Bytes that the program takes with its libraries, and what each processor takes beside for its share of the work."""
ROW, CLASS = 3_000, 150
"""Bytes that a row of images takes beside its input (name, hashes, features, scores, and all of them again in the
controls), and those of any row for each class: trees grow a leaf for every few rows, and each leaf counts all classes."""
CELL_ROW, FEATURE = 900, 24
"""The same of a row of a table, and those for each of its features."""
RECOVERED = 10_000
"""Images, at the size of the search, that each of its threads may hold to recover a trigger from."""
PIXEL = 64_000
"""Bytes that both trainings take for each pixel of the network's input beyond 32 x 32: two batches at every layer."""
CELLS = 4
"""How often the cells of a table lie in memory: as they are, as numbers, and both again in the controls."""
COPIES = 2.2
"""How often images do: as they are and in the controls, and those that are stamped there."""


def bounded(means: Means) -> Means:
    """The same means, which refuse to read a set whose audit would take more memory than they allow."""
    return means if means.memory is None else dataclasses.replace(means, admit=partial(_require, memory=means.memory))


def require(data: Dataset, trusted: Dataset | None, memory: int) -> None:
    """Raise ``UsageError`` where an audit of these rows cannot keep to so many bytes."""
    image = data.modality is Modality.IMAGE
    coming = Coming(
        name=data.name,
        rows=len(data),
        held=_held(data) + (0 if trusted is None else _held(trusted)),
        cells=0 if image else data.table.nbytes,
        features=0 if image else sum(map(_features, data.table.schema.types)),
        shape=data.images.shape if image else (),
        classes=len(data.classes),
        largest=int(np.bincount(data.labels).max(initial=0)),
    )
    _require(coming, memory=memory)


def _held(data: Dataset) -> int:
    """Bytes of images that lie in memory although they are too many for it."""
    large = data.modality is Modality.IMAGE and data.images.nbytes > KEPT
    return data.images.nbytes if large and not is_mapped(data.images) else 0


def _features(kind: Any) -> int:
    """How many a column of this Arrow type gives at most: itself or its categories, and whether a cell is missing."""
    return 2 if is_number(kind) else SHOWN_CATEGORIES + 1


def _require(coming: Coming, *, memory: int) -> None:
    known, rows = coming.classes > 0, f"{coming.rows:,} rows of " if coming.rows else ""
    if not known and coming.held <= KEPT:
        # Soon read, and then it can be told how much would do.
        return
    need = _need(coming)
    if memory < need:
        raise UsageError(
            f"`--memory` must be {'at least' if known else 'more than'} {-(-need // 10**6):,} MB to audit {rows}"
            f"{coming.name}. Got {memory // 10**6:,} MB."
        )


def _need(coming: Coming) -> int:
    """Bytes that an audit takes, as far as the set is known."""
    need = PROGRAM + processors() * THREAD + coming.held + CELLS * coming.cells
    need += coming.rows * ((ROW if coming.shape else CELL_ROW) + FEATURE * coming.features + CLASS * coming.classes)
    if coming.shape:
        n, size, side = coming.shape[0], math.prod(coming.shape[1:]), coming.shape[2:]
        # Each thread of the search holds a class, its null and what a trigger is recovered from; all share the covariance.
        values = min(size, FILTER_DIMENSIONS)
        need += processors() * values * (min(n, NULL_ROWS) + coming.largest + RECOVERED) + 4 * values**2
        # More lie in a file, but for what the networks see of larger images.
        need += int(COPIES * min(n * size, KEPT))
        scale = min(1.0, Recipe().resize / max(side))
        need += int(n * size * scale**2) if scale < 1 else 0
        need += max(0, int(PIXEL * (math.prod(side) * scale**2 - 32 * 32)))
    return need
