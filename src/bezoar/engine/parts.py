"""Rows of a trace that are scored by themselves, with what their detectors read of them and no more."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from threading import Event
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from bezoar.core import digest
from bezoar.core.data import Dataset
from bezoar.core.detector import Gathering, Need, RowDetector, Scope, scope_of
from bezoar.core.errors import BezoarError
from bezoar.core.registry import lookup
from bezoar.core.shards import Arrays, Spread
from bezoar.core.trace import Trace
from bezoar.detectors.rows.geometry import large_blocks, lend_moments
from bezoar.engine.grids.code import code_of
from bezoar.learn.device import side_by_side
from bezoar.maths.linear import Moments
from bezoar.maths.stats import Floats

FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BezoarError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a detector, often a stranger's, may raise without stopping an audit; anything more unusual is not hidden."""
_ROWS = 8_192
"""Blocks are joined until they have so many rows."""

Rows = NDArray[np.intp] | slice


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """A trace at hand, for one detector."""

    trace: Trace
    detector: str

    def digest(self) -> str:
        """SHA-256 of the detector and of what it reads."""
        trace, needs = self.trace, lookup("detectors", self.detector).needs
        read = (trace.shared.once(("digest", name), partial(_read, trace, name)) for name in ("labels", "fold", *needs))
        return _digest((self.detector,), trace.data.classes, b"".join(read))


def scored_whole(whole: Whole) -> Arrays:
    """The scores (n,) of one detector."""
    detector: RowDetector = lookup("detectors", whole.detector)()
    return {"scores": _sound(detector.score(whole.trace), (len(whole.trace.labels),))}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Some rows (m,) of a trace, for several detectors.

    Parameters
    ----------
    read : by its name in a trace, what the detectors read of the rows.
    moments : of the features, as far as they are known, see :func:`bezoar.detectors.rows.geometry.lend_moments`.
    """

    detectors: tuple[str, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    fold: NDArray[np.int64]
    read: Arrays
    moments: Mapping[int, Moments]

    @classmethod
    def of(cls, trace: Trace, rows: Rows, detectors: tuple[str, ...], moments: Mapping[int, Moments]) -> "Part":
        """These rows, and of what is known only what is of use with them."""
        needs = sorted({str(need) for name in detectors for need in lookup("detectors", name).needs})
        # The rows are the last axis of the losses.
        read = {name: getattr(trace, name)[(..., rows) if name == Need.LOSSES else rows] for name in needs}
        blocks = set(np.unique(trace.block_of(rows)).tolist()) if Need.FEATURES in read else set()
        return cls(
            detectors=detectors,
            classes=trace.data.classes,
            labels=trace.labels[rows],
            fold=trace.fold[rows],
            read=read,
            moments={block: moments[block] for block in blocks & set(moments)},
        )

    def digest(self) -> str:
        """SHA-256 of the detectors and of what they read, from which moments follow."""
        read = {"labels": self.labels, "fold": self.fold, **self.read}
        return _digest(self.detectors, self.classes, digest.arrays(read))

    def trace(self) -> Trace:
        """A trace of these rows, empty but for what the detectors read."""
        m, k = len(self.labels), len(self.classes)
        data = Dataset(
            inputs=np.zeros((m, 1, 1, 1), dtype=np.uint8),
            labels=self.labels,
            classes=self.classes,
            ids=np.arange(m).astype(np.str_),
        )
        empty = {
            "losses": np.zeros((1, m), dtype=np.float32),
            "held_out": np.broadcast_to(np.float32(0), (m, k)),
            "features": np.zeros((m, 1), dtype=np.float32),
        }
        trace = Trace(data=data, fold=self.fold, **{**empty, **self.read})
        lend_moments(trace, self.moments)
        return trace


def scored_part(part: Part) -> Arrays:
    """By detector, the scores (m,) or what was gathered for them (m, w). Those that failed are missing."""
    given = side_by_side(partial(_tried, part.trace()), part.detectors)
    return {name: numbers for name, numbers in zip(part.detectors, given, strict=True) if numbers is not None}


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Features (m, d) of some rows of a block."""

    features: NDArray[Any]

    def digest(self) -> str:
        """SHA-256 of the features."""
        return digest.arrays({"features": self.features}).hex()


def counted_piece(piece: Piece) -> Arrays:
    """Count, mean and scatter of the features of one piece."""
    (moments,) = side_by_side(Moments.of, [piece.features])
    return {"count": np.array(moments.count), "mean": moments.mean, "scatter": moments.scatter}


def movable(name: str) -> bool:
    """Whether a detector can score elsewhere: it loads, and reads no inputs, which lie here."""
    try:
        return Need.INPUTS not in lookup("detectors", name).needs
    except FAILURES:
        return False


def grouped(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Detectors that are sent together, as they share what they compute: those that compare rows within blocks."""
    within = tuple(name for name in names if scope_of(lookup("detectors", name)) is Scope.BLOCK)
    return [*([within] if within else []), *((name,) for name in names if name not in within)]


def moments_by_pieces(trace: Trace, names: Sequence[str], spread: Spread) -> dict[int, Moments]:
    """Moments of large blocks for these detectors: counted by pieces and merged, to the last digit those of the blocks."""
    if not any(Need.FEATURES in lookup("detectors", name).needs for name in names):
        return {}
    large = large_blocks(trace)
    pieces = (Piece(trace.features[rows]) for parts in large.values() for rows in parts)
    counted = (Moments(int(each["count"]), each["mean"], each["scatter"]) for each in spread(counted_piece, pieces))
    return {block: Moments.together(list(islice(counted, len(parts)))) for block, parts in large.items()}


def scored_by_parts(
    trace: Trace, group: tuple[str, ...], moments: Mapping[int, Moments], spread: Spread, stop: Event
) -> dict[str, Floats]:
    """Scores (n,) of a group of detectors, part by part. Those that failed on any part are missing.

    Parameters
    ----------
    group : one of :func:`grouped`.
    moments : what :func:`moments_by_pieces` gave.
    stop : once it is set, the rest is left undone.
    """
    methods = {name: lookup("detectors", name) for name in group}
    cuts = _CUTS[scope_of(methods[group[0]])](trace)
    parts = (Part.of(trace, rows, group, moments) for rows in cuts)
    whole: dict[str, Floats] = {}
    for rows, given in zip(cuts, spread(scored_part, parts), strict=True):
        if stop.is_set():
            return {}
        methods = {name: method for name, method in methods.items() if name in given}
        for name in methods:
            numbers = given[name]
            whole.setdefault(name, np.empty((len(trace.labels), *numbers.shape[1:])))[rows] = numbers
    return {name: _weighed(method(), trace, whole[name]) for name, method in methods.items()}


def _joined_blocks(trace: Trace) -> list[Rows]:
    """Rows of as many blocks as make a part."""
    cuts: list[Rows] = []
    joined: list[NDArray[np.intp]] = []
    for block in trace.blocks():
        joined.append(block)
        if sum(map(len, joined)) >= _ROWS:
            cuts.append(np.concatenate(joined))
            joined = []
    return [*cuts, np.concatenate(joined)] if joined else cuts


_CUTS: dict[Scope, Callable[[Trace], Sequence[Rows]]] = {
    Scope.BLOCK: _joined_blocks,
    Scope.FOLD: lambda trace: list(trace.folds()),
    # All rows need no copy.
    Scope.SET: lambda trace: [slice(None)],
}


def _tried(trace: Trace, name: str) -> Floats | None:
    """What a detector makes of each row of a part; None where it fails."""
    try:
        detector: RowDetector = lookup("detectors", name)()
        if isinstance(detector, Gathering):
            gathered = detector.gather(trace)
            return _sound(gathered, (len(trace.labels), *gathered.shape[1:]))
        return _sound(detector.score(trace), (len(trace.labels),))
    except FAILURES:
        return None


def _weighed(detector: RowDetector, trace: Trace, numbers: Floats) -> Floats:
    return _sound(detector.weigh(trace, numbers), trace.labels.shape) if isinstance(detector, Gathering) else numbers


def _sound(scores: NDArray[Any], shape: tuple[int, ...]) -> Floats:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != shape:
        raise ValueError(f"scores must be {shape}, got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    return scores


def _read(trace: Trace, name: str) -> bytes:
    if name == Need.INPUTS:
        return b"".join(trace.data.input_hashes)
    return digest.arrays({name: getattr(trace, name)})


def _digest(detectors: tuple[str, ...], classes: tuple[str, ...], read: bytes) -> str:
    """SHA-256 of detectors, of their code where it is not Bezoar's own, and of what they read."""
    code = code_of("", [lookup("detectors", name) for name in detectors])
    head = repr((detectors, code, classes, np.__version__, sklearn.__version__))
    return hashlib.sha256(head.encode() + read).hexdigest()
