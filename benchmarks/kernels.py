"""Kernels at the sizes that they are made for: a million memory-mapped feature rows, and near pairs of 50,000 vectors."""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks import programs, traces
from bezoar.core.detector import Need, Unit
from bezoar.core.registry import detectors_of, lookup
from bezoar.core.trace import Trace
from bezoar.engine.scoring import score_rows
from bezoar.maths.near_vectors import near_vectors
from bezoar.maths.stats import auroc

ROUNDS = 3
MIB = 2**20
_BLOCK = 20_000
"""Rows that are drawn at a time."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyFeatures:
    """All detectors that read features and nothing else, as an audit runs them, on memory-mapped half-precision features.

    The rows are Gaussian groups with falling variances. One in a hundred carries a wrong label; one in two hundred is
    called the first class and moved along one direction, as a backdoor would move it.

    Parameters
    ----------
    rows, width, classes : of the features.
    folds : into which they are dealt.
    """

    rows: int = 1_000_000
    width: int = 512
    classes: int = 100
    folds: int = 1

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds, peak memory of the process (the mapped file among it), and what was found."""
        programs.share_cores()
        detectors = tuple(
            name for name in detectors_of(Unit.ROW) if lookup("detectors", name).needs == (Need.FEATURES,)
        )
        with tempfile.TemporaryDirectory() as folder:
            trace, wrong, moved = self.drawn(np.random.default_rng((seed, 4)), Path(folder) / "features.npy")
            wall, processor = time.perf_counter(), time.process_time()
            scores = score_rows(trace, detectors, lambda share: None).by_detector
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
        first = (trace.labels == 0) & ~wrong
        return {
            "run": programs.record(),
            "detectors": detectors,
            "figures": {
                "seconds": wall,
                "processor_seconds": processor,
                "peak_mib": _peak_bytes() / MIB,
                "wrong_auroc": auroc(scores["knn_disagreement"][~moved], wrong[~moved]),
                "moved_auroc": auroc(scores["spectral_signatures"][first], moved[first]),
            },
        }

    def drawn(self, rng: np.random.Generator, file: Path) -> tuple[Trace, NDArray[np.bool_], NDArray[np.bool_]]:
        """A trace that holds features and nothing else, and (rows,) which labels are wrong and which rows are moved."""
        looks = rng.integers(self.classes, size=self.rows)
        labels = looks.copy()
        wrong, moved = np.zeros((2, self.rows), dtype=bool)
        some = rng.permutation(self.rows)
        wrong[some[: self.rows // 100]] = True
        moved[some[self.rows // 100 :][: self.rows // 200]] = True
        labels[wrong] = (labels[wrong] + rng.integers(1, self.classes, wrong.sum())) % self.classes
        labels[moved] = looks[moved] = 0
        spread = 3 * np.arange(1, self.width + 1, dtype=np.float32) ** -0.4
        centres = rng.standard_normal((self.classes, self.width), dtype=np.float32)
        mark = 1.5 * rng.standard_normal(self.width, dtype=np.float32)
        shape = (self.rows, self.width)
        features = np.lib.format.open_memmap(file, "w+", np.float16, shape)
        for start in range(0, self.rows, _BLOCK):
            rows = slice(start, start + _BLOCK)
            noise = rng.standard_normal((len(looks[rows]), self.width), dtype=np.float32) * spread
            features[rows] = centres[looks[rows]] + noise + moved[rows, None] * mark
        features.flush()
        mapped = np.load(file, mmap_mode="r", allow_pickle=False)
        return traces.bare(labels, self.classes, features=mapped, folds=self.folds), wrong, moved


@dataclass(frozen=True, slots=True, kw_only=True)
class NearVectors:
    """All pairs of unit vectors with a cosine of at least `cosine`, found by Bezoar and by faiss's flat index, in turns.

    One vector in twenty is a noisy copy of another.

    Parameters
    ----------
    rows, width : of the vectors.
    grouped : in fifty groups with falling variances, as embeddings lie; else in all directions alike.
    cosine : from which two are near.
    neighbours : that faiss is asked for in its other way, the nearest neighbours.
    """

    rows: int = 50_000
    width: int = 384
    grouped: bool = True
    cosine: float = 0.95
    neighbours: int = 10

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Median seconds of each, and the share of faiss's pairs that are found."""
        programs.share_cores()
        x = self.drawn(np.random.default_rng((seed, 5)))
        radius = float(np.sqrt(2 - 2 * self.cosine))
        faiss.omp_set_num_threads(programs.CORES)
        index = faiss.IndexFlatL2(self.width)
        index.add(x)
        own, ranged, searched = [], [], []
        with threadpool_limits(programs.CORES):
            for _ in range(ROUNDS):
                pairs, seconds = _timed(lambda: near_vectors(x, radius))
                own.append(seconds)
                (limits, _, found), seconds = _timed(lambda: index.range_search(x, radius**2))
                ranged.append(seconds)
                searched.append(_timed(lambda: index.search(x, self.neighbours))[1])
        asking = np.repeat(np.arange(self.rows), np.subtract(limits[1:], limits[:-1]).astype(np.int64))
        true = set(zip(asking[asking < found].tolist(), found[asking < found].tolist(), strict=True))
        ours = set(map(tuple, pairs.tolist()))
        flat = min(statistics.median(ranged), statistics.median(searched))
        return {
            "run": programs.record(),
            "peers": {"faiss": faiss.__version__},
            "figures": {
                "faster": flat / statistics.median(own),
                "seconds": statistics.median(own),
                "range_seconds": statistics.median(ranged),
                "search_seconds": statistics.median(searched),
                "recall": len(ours & true) / len(true),
                "pairs": len(ours),
            },
        }

    def drawn(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(rows, width) of unit length."""
        x = rng.standard_normal((self.rows, self.width), dtype=np.float32)
        if self.grouped:
            x *= np.arange(1, self.width + 1, dtype=np.float32) ** -0.5
            x += 0.3 * rng.standard_normal((50, self.width), dtype=np.float32)[rng.integers(50, size=self.rows)]
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        copies = rng.choice(self.rows, self.rows // 20, replace=False)
        noise = rng.standard_normal((len(copies), self.width), dtype=np.float32) / np.float32(self.width**0.5)
        apart = 0.4 * rng.random((len(copies), 1), dtype=np.float32)
        x[copies] = x[rng.integers(self.rows, size=len(copies))] + apart * noise
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _peak_bytes() -> int:
    """The most memory that this process has held. Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
