"""Fourier basis: the class that an abnormally faint wave, laid over any input, leads to."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.core.attack import Trigger
from bezoar.core.detector import Inspection, Questioned, Unit
from bezoar.core.trigger import Overlay
from bezoar.core.validation import Count, Level, Positive, Validated

_MOST_BYTES = 2**26
"""Pictures that are put to the model at a time take no more."""
_PHASES = 4
"""Quarters of a period by which each wave is shifted."""
_HEIGHTS = (2.0**-3, 2.0**-2.5, 2.0**-2, 2.0**-1.5, 2.0**-1, 2.0**-0.5, 1.0)
"""At which a wave is tried, as shares of the greatest height."""
_GLANCED = (4, 6)
"""Those of them at which all waves are tried, on a part of the inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FourierBasis(Validated):
    """How much fainter a plane wave leads inputs of all other classes to a class than to the others.

    A backdoor by a sinusoid (SIG) is such a wave. Descents in the pixels hardly find it: it is neither the smallest nor the
    faintest change that turns all inputs, but one of a few hundred that are sums of nothing else. So all of them are tried:
    the model is asked, and no gradient is taken. Networks obey some waves by nature (stripes are a shirt's), which a null
    from clean models takes into account.

    It asks waves x 2 x `glanced` pictures first, 35,000 with the defaults, then k x `kept` x 7 x n, of k classes and n inputs.

    Known limits: waves in all colours alike; patches, warps and pictures without one leading frequency. Departures from the
    paper: it reports how many inputs each wave turns to whatever class; here it counts by class.

    Parameters
    ----------
    frequencies : periods over the height and over the width of a picture at most.
    height : of the highest waves, in pixel values. Above a quarter of the range networks obey many waves by nature.
    glanced : inputs on which all waves are tried.
    kept : waves of each class that are then tried on all inputs at all heights.
    goal : share of the inputs that a wave must turn to be handed out as the trigger.

    References
    ----------
    Tsuzuku, Sato, "On the structural sensitivity of deep convolutional networks to the directions of Fourier basis functions",
    CVPR 2019, section 3 and algorithm 1.
    """

    frequencies: Count = 10
    height: Positive = 64.0
    glanced: Count = 20
    kept: Count = 4
    goal: Level = 0.8

    unit: ClassVar[Unit] = Unit.MODEL
    black_box: ClassVar[bool] = True

    def inspect(self, suspect: Questioned, rng: np.random.Generator) -> Inspection:
        """For each class the share of inputs that its best wave turns, summed over logarithms of the wave's height."""
        k = suspect.model.classes
        waves = self._waves(*suspect.clean.shape[2:])
        some = np.sort(rng.permutation(len(suspect.clean))[: self.glanced])
        glance = Questioned(model=suspect.model, clean=suspect.clean[some], labels=suspect.labels[some])
        heights = self.height * np.array(_HEIGHTS, dtype=np.float32)
        seen = _turned(glance, waves, heights[list(_GLANCED)]).mean(axis=1)
        scores, triggers = np.zeros(k), dict[int, Trigger]()
        for target in suspect.sought:
            best = waves[np.argsort(-seen[:, target], kind="stable")[: self.kept]]
            curves = _turned(suspect, best, heights)[..., target]
            scores[target] = np.trapezoid(curves, np.log(heights), axis=1).max()
            wave, step = np.unravel_index(curves.argmax(), curves.shape)
            if curves[wave, step] >= self.goal:
                triggers[target] = Overlay(signal=heights[step] * best[wave])
        return Inspection(scores=scores, triggers=triggers)

    def _waves(self, height: int, width: int) -> NDArray[np.float32]:
        """(w, h, w) between -1 and 1: each direction and frequency once, in each phase."""
        rows, columns = np.arange(1, height + 1) / height, np.arange(1, width + 1) / width
        across = [min(self.frequencies, (size - 1) // 2) for size in (height, width)]
        return np.stack(
            [
                np.sin(2 * np.pi * (down * rows[:, None] + right * columns + phase / _PHASES)).astype(np.float32)
                for down in range(across[0] + 1)
                for right in range(-across[1], across[1] + 1)
                # A wave that runs the other way is the same wave in another phase.
                if down > 0 or right > 0
                for phase in range(_PHASES)
            ]
        )


def _turned(suspect: Questioned, waves: NDArray[np.float32], heights: NDArray[np.float32]) -> NDArray[np.float64]:
    """(w, heights, k) share of the inputs of other classes that each wave, of each height, turns into each class."""
    n, k = len(suspect.clean), suspect.model.classes
    others = suspect.labels[:, None] != np.arange(k)
    overlays = [Overlay(signal=height * wave) for wave in waves for height in heights]
    at_a_time, shares = max(1, _MOST_BYTES // suspect.clean.nbytes), []
    for start in range(0, len(overlays), at_a_time):
        stamped = np.concatenate([overlay(suspect.clean) for overlay in overlays[start : start + at_a_time]])
        answers = suspect.model.predict(stamped).argmax(axis=1)
        turned = (answers.reshape(-1, n, 1) == np.arange(k)) & others
        shares.append(turned.sum(axis=1) / np.maximum(others.sum(axis=0), 1))
    return np.concatenate(shares).reshape(len(waves), len(heights), k)
