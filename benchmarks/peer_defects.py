"""What ART's two detections get wrong, on features where the right answer is known, with Bezoar's beside it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers, programs
from bezoar.maths.stats import auroc


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """A class whose mean lies `offset` along the direction in which its poison lies, beside an untouched one.

    Poisoned rows stand out along that direction by more than everything else, so a score of centred features ranks
    them all first (AUROC 1) wherever the class lies. One of features that are not centred depends on where it lies.

    Parameters
    ----------
    offset : in standard deviations of the features.
    rows, width : of the features of a class.
    share : of the first class's rows that are poisoned.
    shift : of the poisoned rows, in standard deviations.
    """

    offset: float
    rows: int = 2_000
    width: int = 64
    share: float = 0.05
    shift: float = 8.0

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """AUROC of both within the poisoned class."""
        features, poisoned = self.features(np.random.default_rng((seed, 2)))
        own, peer = _both(features, np.arange(2).repeat(self.rows), self.share)
        return {
            "run": programs.record(),
            "peers": peer["versions"],
            "figures": {
                "auroc": auroc(np.asarray(own["spectral"])[: self.rows], poisoned),
                "art_auroc": auroc(np.asarray(peer["scores"])[: self.rows], poisoned),
            },
        }

    def features(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Features (2 rows, width) of both classes, and (rows,) which of the first are poisoned."""
        features = rng.standard_normal((2 * self.rows, self.width))
        poisoned = np.zeros(self.rows, dtype=bool)
        poisoned[rng.choice(self.rows, round(self.share * self.rows), replace=False)] = True
        features[: self.rows, 0] += self.offset + self.shift * poisoned
        return features.astype(np.float32), poisoned


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCloudEach:
    """Classes that are one round cloud each: there is nothing to split.

    Parameters
    ----------
    classes, rows, width : of the features; `rows` in all.
    """

    classes: int = 10
    rows: int = 10_000
    width: int = 64

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """In how many classes each sees two clusters, and the share of rows that ART therefore calls poisoned."""
        features, labels = self.features(np.random.default_rng((seed, 2)))
        own, peer = _both(features, labels, 0.01)
        return {
            "run": programs.record(),
            "peers": peer["versions"],
            "figures": {
                "split_classes": own["split_classes"],
                "art_split_classes": peer["split_classes"],
                "art_clustering_fpr": len(peer["clustering"]) / self.rows,
                "art_spectral_fpr": len(peer["spectral"]) / self.rows,
            },
        }

    def features(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Features (rows, width) and labels (rows,)."""
        labels = np.arange(self.rows) % self.classes
        centres = 10 * rng.standard_normal((self.classes, self.width))
        return (rng.standard_normal((self.rows, self.width)) + centres[labels]).astype(np.float32), labels


def _both(
    features: NDArray[np.float32], labels: NDArray[np.int64], share: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.npz"
        np.savez(file, features=features, labels=labels, share=share)
        return programs.own("detection", file, "1"), peers.ask("art", "art_detection", file, "1")
