"""Unlearning: show the recovered triggers with the right labels until they mean nothing."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.errors import InputError
from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Fraction, Index, Positive, Validated
from bezoar.learn.white_box import WhiteBox
from bezoar.mitigations.model.tuning import fresh, handed_out, mixtures, opened_model, stamped, tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlearning(Validated):
    """Train a copy to say of clean inputs, and of the same under a recovered trigger, what the model says of the clean ones.

    Known limits: what the recovered trigger does not show is not unlearned. It needs an audit of the model first.
    Departures from the paper: the model's own opinions instead of the labels, and mixtures of the clean inputs instead of
    themselves, both of which keep accuracy; all triggers that were recovered for a class instead of one.

    Parameters
    ----------
    share : of each batch that carries a trigger. The paper stamps 20 % of the inputs.
    steps, learning_rate : of the training.
    seed : decides the order of the inputs.

    References
    ----------
    Wang et al., "Neural Cleanse: identifying and mitigating backdoor attacks in neural networks", IEEE S&P 2019,
    section VI-C.
    """

    share: Fraction = 0.5
    steps: Count = 300
    learning_rate: Positive = 0.03
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model. Raises ``InputError`` where no trigger was recovered."""
        if not any(subject.triggers.values()):
            raise InputError(f"{subject.data.name}: no trigger was recovered. Audit the model first.")
        teacher = opened_model(subject)
        copy, clean, generator = fresh(subject, self.seed)
        triggers = [trigger for each in subject.triggers.values() for trigger in each]

        def loss(copy: WhiteBox, pixels: Tensor, labels: Tensor) -> Tensor:
            honest = mixtures(clean.pixels, len(pixels), generator)
            with torch.no_grad():
                wanted = torch.softmax(teacher.logits(honest), 1)
            shown = honest.clone()
            marked = torch.rand(len(honest), generator=generator) < self.share
            which = torch.randint(len(triggers), (len(honest),), generator=generator)
            for index, trigger in enumerate(triggers):
                rows = torch.nonzero(marked & (which == index))[:, 0]
                if len(rows):
                    shown[rows] = stamped(trigger, honest[rows])
            return F.kl_div(torch.log_softmax(copy.logits(shown), 1), wanted, reduction="batchmean")

        tuned(copy, clean, steps=self.steps, learning_rate=self.learning_rate, generator=generator, loss=loss)
        return handed_out(subject, copy)
