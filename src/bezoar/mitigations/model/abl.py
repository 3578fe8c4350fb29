"""ABL: unlearn suspected training rows by climbing where training went down."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.errors import InputError
from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Index, Positive, Validated
from bezoar.learn.white_box import WhiteBox, pixels_of
from bezoar.mitigations.model.tuning import fresh, handed_out, opened_model, tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class Abl(Validated):
    """Raise the loss of the rows that an audit of the training set flagged, and keep it low on the others.

    Known limits: it needs the training set and an audit of it. Departure from the paper: rows are those that the audit
    flagged, not those whose loss fell first; ascent stops at the loss of a guess, so that it cannot run away.

    Parameters
    ----------
    steps, learning_rate : of the training.
    weight : of the suspects' loss against the others'.
    seed : decides the order of the inputs.

    References
    ----------
    Li et al., "Anti-backdoor learning: training clean models on poisoned data", NeurIPS 2021, equation 5.
    """

    steps: Count = 200
    learning_rate: Positive = 0.01
    weight: Positive = 1.0
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model. Raises ``InputError`` where no row is suspected."""
        suspects = np.flatnonzero(subject.suspected().flagged)
        if not len(suspects):
            raise InputError(f"{subject.data.name}: no row is suspected, so there is nothing to unlearn.")
        copy, clean, generator = fresh(subject, self.seed)
        device = opened_model(subject).device
        pixels = pixels_of(subject.data.images[suspects], device)
        labels = torch.from_numpy(subject.data.labels[suspects]).to(device)
        guess = float(np.log(copy.classes))

        def loss(copy: WhiteBox, honest: Tensor, own: Tensor) -> Tensor:
            rows = torch.randint(len(pixels), (min(len(honest), len(pixels)),), generator=generator)
            climbed = F.cross_entropy(copy.logits(pixels[rows]), labels[rows], reduction="none").clamp(max=guess).mean()
            return F.cross_entropy(copy.logits(honest), own) - self.weight * climbed

        tuned(copy, clean, steps=self.steps, learning_rate=self.learning_rate, generator=generator, loss=loss)
        return handed_out(subject, copy)
