"""STRIP: inputs whose prediction survives other pictures laid over them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Fraction, Validated
from bezoar.detectors.inputs.passing import by_batches, device_of
from bezoar.learn.white_box import pixels_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip(Validated):
    """How sure the model stays of an input when clean pictures are laid over it.

    A trigger forces its class whatever else is in the picture; honest content is drowned by the other picture.

    Known limits: triggers that the overlay breaks (faint blends, sinusoids), and models that are sure of anything; few overlays
    tell warps worse than many do.
    Departures from the paper: the same overlays for every input, so that equal inputs have equal scores; few, but those
    under which the model is least sure of clean inputs, where the paper draws a hundred; pictures are mixed by weight, where
    the paper adds them up; entropy in nats.

    Parameters
    ----------
    overlays : clean pictures laid over each input, one pass each.
    choice : clean pictures of which they are chosen.
    weight : of the overlay, in (0, 1]. The heavier it is, the more of a faint trigger it hides.

    References
    ----------
    Gao et al., "STRIP: a defence against trojan attacks on deep neural networks", ACSAC 2019, equations 3 and 4.
    """

    overlays: Count = 2
    choice: Count = 60
    weight: Fraction = 0.3

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One for each overlay."""
        return self.overlays

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """The overlays: of some clean pictures those under which the model is least sure of the other clean inputs."""
        n = len(suspect.clean)
        drawn = rng.permutation(n)[: max(self.choice, self.overlays)]
        unsure = np.empty(len(drawn))
        for place, row in enumerate(drawn):
            score = self.scorer(suspect.model, {"overlays": suspect.clean[[row]]})
            unsure[place] = -score(suspect.clean[np.arange(n) != row] if n > 1 else suspect.clean).mean()
        chosen = drawn[np.argsort(-unsure, kind="stable")]
        return {"overlays": suspect.clean[np.resize(chosen, self.overlays)]}

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Minus the mean entropy over the classes of the predictions under all overlays, in nats."""
        device = device_of(model)
        over = pixels_of(learned["overlays"], device)

        def score(pixels: Tensor) -> Tensor:
            mixed = (1 - self.weight) * pixels[:, None] + self.weight * over[None]
            log_p = torch.log_softmax(model.logits(mixed.flatten(0, 1)), dim=1)
            entropy = -(log_p.exp() * log_p).sum(1)
            return -entropy.view(len(pixels), len(over)).mean(1)

        return by_batches(score, device, passes=self.passes)
