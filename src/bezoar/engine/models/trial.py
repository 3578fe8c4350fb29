"""The experiment on a recovered trigger: stamp inputs that the search never saw, and count where they go."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bezoar.core.attack import Trigger
from bezoar.maths.stats import Interval, wilson

WORKS = 0.8
"""Share of held-out inputs that a trigger must turn to its class to be called a backdoor's."""


class Predicts(Protocol):
    """A model, and nothing else of it."""

    def predict(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, k) log-probabilities."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trigger does to held-out inputs that the model calls another class.

    Parameters
    ----------
    target : share that turns to the class.
    other : largest share that turns to any one other class: plain damage.
    sham : share that turns to the class when the change that the trigger makes is dealt out anew among the pixels: as
        strong, without its shape.
    """

    target: Interval
    other: Interval
    sham: Interval

    @property
    def works(self) -> bool:
        """The class is reached nearly always, and by the shape of the trigger."""
        return self.target.value >= WORKS and self.target.low > max(self.other.high, self.sham.high)


def trial(
    model: Predicts, trigger: Trigger, target: int, held_out: NDArray[np.uint8], rng: np.random.Generator
) -> Trial:
    """Try a trigger on inputs (n, c, h, w) that took no part in the search for it."""
    plain = model.predict(held_out).argmax(axis=1)
    images, plain = held_out[plain != target], plain[plain != target]
    n = len(images)
    if n == 0:
        nothing = Interval(0.0, 0.0, 1.0, 0)
        return Trial(target=nothing, other=nothing, sham=nothing)
    stamped = trigger(images)
    turned = model.predict(stamped).argmax(axis=1)
    counts = np.bincount(turned[turned != plain], minlength=target + 1)
    by_sham = model.predict(_dealt_anew(images, stamped, rng)).argmax(axis=1) == target
    others = np.delete(counts, target)
    return Trial(
        target=wilson(int((turned == target).sum()), n),
        other=wilson(int(others.max(initial=0)), n),
        sham=wilson(int(by_sham.sum()), n),
    )


def _dealt_anew(images: NDArray[np.uint8], stamped: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Images with the same changes, all in one other order of the pixels."""
    n, channels, height, width = images.shape
    change = (stamped.astype(np.int16) - images).reshape(n, channels, height * width)
    moved = change[:, :, rng.permutation(height * width)].reshape(images.shape)
    return np.clip(images + moved, 0, 255).astype(np.uint8)
