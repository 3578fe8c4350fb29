"""The features as several detectors look at them, computed once a trace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bezoar.core.trace import Trace
from bezoar.learn.device import dealt_out
from bezoar.maths.linear import Moments, is_tall, leading_components, pieces
from bezoar.maths.neighbours import Neighbours, nearest

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Block = tuple[int, Rows]
Judge = Callable[[int, Rows], Floats | float]

# Components that are worked out for everyone, in blocks of few and of many numbers: to read many again costs more than
# all components, and of few a second decomposition less than components that nobody may ask for.
_SHARED_COMPONENTS = (6, 16)
_MANY = 2**20
# Numbers of the small blocks that are judged together: arithmetic then takes longer than asking for it.
_TOGETHER = 2**22


def score_blocks(trace: Trace, judge: Judge, *, fewest: int, otherwise: float) -> Floats:
    """Scores of all rows, judged a fold and class at a time, several of them side by side.

    Parameters
    ----------
    judge : gets the number of a block and its rows (m,), and gives their scores.
    fewest : rows of a block that is judged.
    otherwise : score of the rows of smaller blocks.

    Returns
    -------
    (n,).
    """
    scores = np.full(len(trace.labels), otherwise)

    def fill(block: Block) -> None:
        scores[block[1]] = judge(*block)

    dealt_out(fill, [block for block in enumerate(_blocks(trace)) if len(block[1]) >= fewest])
    return scores


def score_batches(
    trace: Trace, judge: Callable[[Sequence[Block]], Sequence[Floats | float]], *, fewest: int, otherwise: float
) -> Floats:
    """As :func:`score_blocks`, for what takes so little time a block that small ones of like sizes are judged together."""
    scores = np.full(len(trace.labels), otherwise)

    def fill(batch: Sequence[int]) -> None:
        blocks = [(number, rows) for number in batch if len(rows := _blocks(trace)[number]) >= fewest]
        for (_, rows), score in zip(blocks, judge(blocks) if blocks else (), strict=True):
            scores[rows] = score

    dealt_out(fill, _batches(trace))
    return scores


def block_components(trace: Trace, number: int, count: int) -> Floats:
    """Where the rows of a block lie along its leading components.

    Returns
    -------
    (m, r) coordinates, read-only, strongest component first; r is at most `count`.
    """
    batch = next(batch for batch in _batches(trace) if number in batch)
    many = len(_blocks(trace)[number]) * trace.features.shape[1] > _MANY
    width = max(count, _SHARED_COMPONENTS[many])

    def make() -> dict[int, Floats]:
        return dict(zip(batch, dealt_out(lambda each: _components(trace, each, width), batch), strict=True))

    return trace.shared.once(("components", batch, width), make)[number][:, :count]


def block_moments(trace: Trace, number: int, features: NDArray[Any] | None = None) -> Moments | None:
    """Of the features (m, d) of a block, where they are read already; None where they are not worth the room."""
    rows = _blocks(trace)[number]
    if not _keeps_moments(trace, len(rows)):
        return None
    return trace.shared.once(
        ("moments", number), lambda: _in_pieces(trace.features[rows] if features is None else features)
    )


def large_blocks(trace: Trace) -> dict[int, list[Rows]]:
    """By its number (:meth:`Trace.block_of`), the pieces of each block whose moments several workers had better count."""
    width = trace.features.shape[1]
    kept = (rows for rows in _blocks(trace) if _keeps_moments(trace, len(rows)))
    cut = {int(trace.block_of(rows[0])): [rows[piece] for piece in pieces(len(rows), width)] for rows in kept}
    return {block: parts for block, parts in cut.items() if len(parts) > 1}


def lend_moments(trace: Trace, known: Mapping[int, Moments]) -> None:
    """Spare those who read a trace the counting of moments that are known, by the numbers of their blocks."""
    for number, rows in enumerate(_blocks(trace)):
        if (block := int(trace.block_of(rows[0]))) in known:
            trace.shared.once(("moments", number), partial(known.__getitem__, block))


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


def _blocks(trace: Trace) -> tuple[Rows, ...]:
    return trace.shared.once("blocks", lambda: tuple(trace.blocks()))


def _batches(trace: Trace) -> tuple[tuple[int, ...], ...]:
    """The blocks, largest first, and of those of like sizes as many together as have few numbers."""

    def make() -> tuple[tuple[int, ...], ...]:
        sizes = [len(rows) * trace.features.shape[1] for rows in _blocks(trace)]
        batches: list[list[int]] = []
        for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
            if batches and (len(batches[-1]) + 1) * sizes[batches[-1][0]] <= _TOGETHER:
                batches[-1].append(number)
            else:
                batches.append([number])
        return tuple(map(tuple, batches))

    return trace.shared.once("batches", make)


def _keeps_moments(trace: Trace, count: int) -> bool:
    """Whether the moments of so many rows take no more room than the rows do."""
    width = trace.features.shape[1]
    room = 8 * width <= count * trace.features.itemsize
    return room and is_tall(count, width)


def _components(trace: Trace, number: int, count: int) -> Floats:
    features = np.take(trace.features, _blocks(trace)[number], axis=0)
    # Who looks at them looks at one component after the other.
    x = np.asfortranarray(leading_components(features, count, moments=block_moments(trace, number, features)))
    x.flags.writeable = False
    return x


def _neighbours(trace: Trace, rows: Rows, k: int, components: int) -> Neighbours:
    # The only fold needs no copy.
    features = trace.features if len(rows) == len(trace.fold) else trace.features[rows]
    x = leading_components(features, components, moments=_fold_moments(trace, rows))
    # On the unit sphere the Euclidean order is the order of angles.
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return nearest(np.divide(x, lengths, out=x, where=lengths > 0), k, each=dealt_out)


def _in_pieces(features: NDArray[Any]) -> Moments:
    return Moments.together(dealt_out(lambda piece: Moments.of(features[piece]), pieces(*features.shape)))


def _fold_moments(trace: Trace, rows: Rows) -> Moments | None:
    """Of these rows, a fold, from those of its blocks; None where not all of these are kept."""
    fold = trace.fold[rows[0]]
    numbers = [number for number, block in enumerate(_blocks(trace)) if trace.fold[block[0]] == fold]
    if not all(_keeps_moments(trace, len(_blocks(trace)[number])) for number in numbers):
        return None
    parts = dealt_out(partial(block_moments, trace), numbers)
    return Moments.together([part for part in parts if part is not None])
