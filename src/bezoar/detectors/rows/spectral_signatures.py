"""Spectral signatures: poison shows as a strong direction in the features of its class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.detector import Need, Scope, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Count, Validated
from bezoar.detectors.rows.geometry import Block, Floats, block_components, score_batches

# Fewer rows than this span no direction to stand out from.
_FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralSignatures(Validated):
    """How far a row lies along the top directions of its class.

    A backdoor gives poisoned rows a feature that others of the label lack; its variance makes it a leading direction.
    A person would see rows of one class that share an odd mark.

    Known limits: weak where poison is so rare, or its mark so faint, that ordinary variety of the class is stronger.
    Departures from the paper: features come from models that never saw the row, so a class is scored once per fold;
    scores are divided by the median of their class, so that classes compare; and there is no cut at 1.5 times a known
    poison rate.

    Parameters
    ----------
    directions : top directions whose squared projections are added, at least 1. The paper uses 1.

    References
    ----------
    Tran, Li and Madry, "Spectral signatures in backdoor attacks", NeurIPS 2018, algorithm 1.
    """

    directions: Count = 1

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.FEATURES,)
    scope: ClassVar[Scope] = Scope.BLOCK

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) >= 0, 1 for the typical row of a class, 0 for classes too small or without variety."""

        def judge(blocks: Sequence[Block]) -> list[Floats | float]:
            return [self._judged(block_components(trace, number, self.directions)) for number, _ in blocks]

        return score_batches(trace, judge, fewest=_FEWEST, otherwise=0.0)

    def _judged(self, components: Floats) -> Floats | float:
        raw = (components**2).sum(axis=1)
        typical = np.median(raw) or raw.mean()
        return raw / typical if typical > 0 else 0.0
