"""What every detector by trigger inversion does: search all classes, compare sizes, hand out the triggers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bezoar.core.attack import Trigger
from bezoar.core.detector import Inspection, Suspect
from bezoar.learn.inversion import Family, Inverted, Penalty, Search, invert
from bezoar.learn.white_box import pixels_of

_BATCH = 256
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recovered:
    """One trigger of a family, for whoever stamps images.

    Parameters
    ----------
    family : its form.
    parameters : of this one trigger; the first axis of each has length 1.
    """

    family: Family
    parameters: Mapping[str, Tensor]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images (n, c, h, w) with the trigger on them; the ones passed stay as they are."""
        stamped = np.empty_like(images)
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                rows = slice(start, start + _BATCH)
                pixels = self.family.stamp(self.parameters, pixels_of(images[rows], torch.device("cpu")))[0]
                stamped[rows] = pixels.mul(255).round().clamp(0, 255).to(torch.uint8).numpy()
        return stamped


def inspected(
    suspect: Suspect,
    family: Family,
    search: Search,
    rng: np.random.Generator,
    penalty: Callable[[Suspect], Penalty] | None = None,
) -> Inspection:
    """Minus the logarithm of the size of each class's trigger, and the triggers that reach their class."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    device = next(suspect.model.network.parameters()).device
    found = invert(
        suspect.model,
        pixels_of(suspect.clean, device),
        torch.from_numpy(suspect.labels).to(device),
        family,
        generator,
        search,
        None if penalty is None else penalty(suspect),
        suspect.targets,
    )
    return judged(found, family, search.goal)


def judged(found: Inverted, family: Family, goal: float) -> Inspection:
    """Minus the logarithm of the size of each class's trigger, and the triggers that reach their class."""
    reached = found.success >= goal
    triggers: dict[int, Trigger] = {
        int(index): Recovered(
            family=family, parameters={name: value[[index]].cpu() for name, value in found.parameters.items()}
        )
        for index in np.flatnonzero(reached)
    }
    sizes = np.maximum(found.size, _LEAST)
    # A class that was never reached needs at least as much as all that were.
    sizes = np.where(reached, sizes, sizes.max(initial=1.0, where=np.isfinite(sizes)))
    return Inspection(scores=-np.log(sizes), triggers=triggers)
