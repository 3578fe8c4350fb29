"""The features as several detectors look at them, computed once a trace."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bezoar.core.trace import Trace
from bezoar.maths.linear import leading_components
from bezoar.maths.neighbours import Neighbours, nearest

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# Components that are worked out for everyone: one more costs next to nothing, another decomposition does.
_SHARED_COMPONENTS = 16


def block_components(trace: Trace, count: int, *, fewest: int = 1) -> Iterator[tuple[Rows, Floats]]:
    """Each fold and class of at least `fewest` rows, and where its rows lie along its leading components.

    Yields
    ------
    Row indices (m,) and coordinates (m, r), read-only, strongest component first; r is at most `count`.
    """
    width = max(count, _SHARED_COMPONENTS)
    for number, rows in enumerate(trace.blocks()):
        if len(rows) >= fewest:
            x = trace.shared.once(("components", number, width), partial(_components, trace, rows, width))
            yield rows, x[:, :count]


def fold_neighbours(trace: Trace, k: int, components: int) -> Iterator[tuple[Rows, Neighbours]]:
    """The rows of each fold, and the `k` others of the fold at the smallest angles to each.

    Angles are measured along that many leading components of the fold's features, from the fold's mean.

    Yields
    ------
    Row indices (m,), and neighbours as positions among them.
    """
    for number, rows in enumerate(trace.folds()):
        graph = partial(_neighbours, trace, rows, k, components)
        yield rows, trace.shared.once(("neighbours", number, k, components), graph)


def _components(trace: Trace, rows: Rows, count: int) -> Floats:
    x = leading_components(trace.features[rows], count)
    x.flags.writeable = False
    return x


def _neighbours(trace: Trace, rows: Rows, k: int, components: int) -> Neighbours:
    x = leading_components(trace.features[rows], components)
    # On the unit sphere the Euclidean order is the order of angles.
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return nearest(np.divide(x, lengths, out=x, where=lengths > 0), k)
