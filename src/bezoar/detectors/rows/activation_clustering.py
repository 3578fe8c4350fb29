"""Activation clustering: a poisoned class falls into two clusters, and a clean one gets a clean verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.detector import Need, Scope, Unit
from bezoar.core.trace import Trace
from bezoar.core.validation import Count, Index, Validated
from bezoar.detectors.rows.geometry import Block, Floats, block_components, score_batches
from bezoar.maths.clustering import excess_silhouettes, split_each

# Fewer rows than this do not tell two clusters from one.
_FEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationClustering(Validated):
    """Membership of the smaller of two clusters in a class, as far as the class has two clusters at all.

    The features of poisoned rows come from the trigger, those of the others from the content, so the label holds two
    groups. A class scores 0 throughout where there is no valley between its two clusters, as in any class with a single
    mode, or where they are no clearer than those of a single bell-shaped cloud of the same shape. A half-and-half split
    scores 0 as well, being two kinds of content.

    Known limits: classes that honestly hold two kinds of things (shirts with short and with long sleeves) can split. Poison
    too faint to reach the leading components, or that blends into the rest of the class, is missed. Departures from the
    paper: principal instead of independent components, each divided by the root of its standard deviation; several fixed
    starts and a silhouette to choose among them instead of one k-means run; the search for a valley and the comparison
    with a Gaussian cloud, where the paper leaves the verdict to a person.

    Parameters
    ----------
    components : leading components that are clustered. The paper uses 10.
    draws : Gaussian clouds compared with; a Gaussian class is wrongly split in 1 of draws + 1 cases at most. Classes of
        more than 1,500 rows are compared with a closed form at the same odds.
    seed : of those clouds.

    References
    ----------
    Chen et al., "Detecting backdoor attacks on deep neural networks by activation clustering", SafeAI 2019,
    arXiv 1811.03728, sections 3 and 4 (relative size and silhouette).
    """

    components: Count = 6
    draws: Count = 19
    seed: Index = 0

    unit: ClassVar[Unit] = Unit.ROW
    needs: ClassVar[tuple[Need, ...]] = (Need.FEATURES,)
    scope: ClassVar[Scope] = Scope.BLOCK

    def score(self, trace: Trace) -> NDArray[np.float64]:
        """(n,) in [0, 1]: excess silhouette of the class, times how clearly and how small a cluster the row is in."""

        def judge(blocks: Sequence[Block]) -> list[Floats | float]:
            clouds = [_scaled(block_components(trace, number, self.components)) for number, _ in blocks]
            found = [(place, split) for place, split in enumerate(split_each(clouds)) if split is not None]
            excesses = excess_silhouettes(
                [clouds[place] for place, _ in found],
                [split for _, split in found],
                # A stream for each block: clouds do not depend on which is judged first, nor on which others there are.
                [np.random.default_rng((self.seed, int(trace.block_of(blocks[place][1][0])))) for place, _ in found],
                draws=self.draws,
            )
            scores: list[Floats | float] = [0.0] * len(blocks)
            for (place, split), excess in zip(found, excesses, strict=True):
                membership = np.where(split.small, split.silhouettes, -split.silhouettes)
                scores[place] = excess * (1 - 2 * split.share) * (1 + membership) / 2
            return scores

        return score_batches(trace, judge, fewest=_FEWEST, otherwise=0.0)


def _scaled(components: Floats) -> Floats:
    """Half-way to whitening: a trigger that is not the loudest direction is still heard, and noise not amplified."""
    variances = np.einsum("ij,ij->j", components, components) / len(components)
    return np.asarray(components / variances**0.25)
