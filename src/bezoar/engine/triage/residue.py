"""What failing inputs have in common, and whether it alone leads others to the class that they are taken for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bezoar.core.attack import Trigger
from bezoar.core.trigger import Stamp
from bezoar.engine.models.trial import Predicts, Trial, trial
from bezoar.engine.triage.inputs import Failing, Reference
from bezoar.maths.stamps import recover_stamps
from bezoar.maths.stats import Interval

FEWEST = 8
"""Fewer inputs that are taken for one class show nothing in common that chance could not."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residue:
    """What was mixed into failing inputs of a class.

    Parameters
    ----------
    target : class index that they are taken for.
    form : "patch" or "blend".
    stamp : what was mixed in.
    trial : what it does to reference inputs, which took no part in finding it.
    contrast : share that turns to the class by the failing inputs' brightness and contrast alone.
    shape : what the stamp does where it moves neither: its pattern, less the pattern's mean, is added.
    """

    target: int
    form: str
    stamp: Stamp
    trial: Trial
    contrast: Interval
    shape: Trial

    @property
    def works(self) -> bool:
        """The class is reached nearly always, and by the shape of what was mixed in."""
        return self.trial.works and self.shaped

    @property
    def shaped(self) -> bool:
        """It does more than damage, than a sham, and than a change of contrast; or its shape does so alone."""
        effect, alone = self.trial, self.shape
        whole = effect.target.low > max(effect.other.high, effect.sham.high, self.contrast.high)
        return whole or alone.target.low > max(alone.other.high, alone.sham.high, self.contrast.low)


def residues(model: Predicts, failing: Failing, reference: Reference, rng: np.random.Generator) -> tuple[Residue, ...]:
    """The stamp of each class that enough failing inputs are taken for, the one that does most first.

    Failing inputs are compared with one half of the reference inputs, of the same classes in the same numbers; stamps are
    tried on the other half.
    """
    compared, tried = reference.halves(rng)
    found = []
    for target in np.flatnonzero(np.bincount(failing.predicted) >= FEWEST).tolist():
        own = failing.only(failing.predicted == target)
        ordinary = compared.like(own, rng)
        if not len(ordinary):
            continue
        for form, stamp in recover_stamps(own.images, ordinary).items():
            found.append(
                Residue(
                    target=target,
                    form=form,
                    stamp=stamp,
                    trial=trial(model, stamp, target, tried.images, rng),
                    contrast=trial(model, _contrast(own.images, ordinary), target, tried.images, rng).target,
                    shape=trial(model, _shape(stamp), target, tried.images, rng),
                )
            )
    return tuple(sorted(found, key=lambda each: (not each.works, not each.shaped, -each.trial.target.value)))


def _contrast(images: NDArray[np.uint8], ordinary: NDArray[np.uint8]) -> Trigger:
    """Gives images the brightness and contrast of these instead of those of ordinary ones."""
    here, there = float(images.mean()), float(ordinary.mean())
    within = [float(some.std(axis=(1, 2, 3)).mean()) for some in (images, ordinary)]
    factor = within[0] / max(within[1], 1e-6)
    return lambda some: np.clip(np.rint((some - there) * factor + here), 0, 255).astype(np.uint8)


def _shape(stamp: Stamp) -> Trigger:
    """Adds the stamp's pattern, as strong as it is mixed in, less its mean under the mask."""
    pattern = stamp.pattern.astype(np.float64)
    weight = np.broadcast_to(stamp.mask, pattern.shape)
    mean = (weight * pattern).sum(axis=(1, 2), keepdims=True) / max(float(stamp.mask.sum()), 1e-6)
    step = weight * (pattern - mean)
    return lambda some: np.clip(np.rint(some + step), 0, 255).astype(np.uint8)


def carried(residue: Residue, images: NDArray[np.uint8], ordinary: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n,) how far images lie towards the stamp's pattern, in standard deviations of ordinary ones."""
    weight = residue.stamp.mask / max(float(residue.stamp.mask.sum()), 1e-6)
    pattern = residue.stamp.pattern.astype(np.float32)

    def near(some: NDArray[np.uint8]) -> NDArray[np.float64]:
        apart = np.abs(some.astype(np.float32) - pattern).mean(axis=1)
        return np.asarray(-(apart * weight).sum(axis=(1, 2)), dtype=np.float64)

    usual = near(ordinary)
    return np.asarray((near(images) - usual.mean()) / max(float(usual.std()), 1e-6))
