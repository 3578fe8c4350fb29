"""Unlearning: show the recovered triggers with the right labels until they mean nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.attack import Trigger
from bezoar.core.errors import InputError
from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Fraction, Index, Level, Positive, Validated
from bezoar.learn.white_box import WhiteBox
from bezoar.mitigations.model.tuning import (
    Clean,
    batched,
    fresh,
    handed_out,
    labelled_mixtures,
    opened_model,
    stamped,
    tuned,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlearning(Validated):
    """Train a copy to say of clean inputs, and of the same under a recovered trigger, what the model says of the clean ones.

    All but one thing: what it says for the class that the triggers lead to, of inputs that by their labels have nothing of that
    class. A backdoored model leans towards its target without a trigger, so that faint resemblances lead there, and a student of its
    opinions would lean as much. It ends when no recovered trigger turns more than `left` of held-out clean inputs, or after `rounds`.

    Known limits: what the recovered trigger does not show is not unlearned. It needs an audit of the model first.
    Departures from the paper: the model's own opinions instead of the labels, less most of what they say for the target, and mixtures of
    the clean inputs instead of themselves, both of which keep accuracy; all triggers that were recovered for a class instead of one, fainter and stronger
    than they were recovered, as the attacker's own may be.

    Parameters
    ----------
    share : of each batch that carries a trigger. The paper stamps 20 % of the inputs.
    doubt : part of the model's opinion for the target that is not believed, of inputs of other classes.
    weakest, strongest : least and largest strength of a trigger, 1 as it was recovered.
    steps, learning_rate : of each round of training.
    rounds : at most.
    left : share of held-out inputs that a trigger may still turn.
    seed : decides the order of the inputs.

    References
    ----------
    Wang et al., "Neural Cleanse: identifying and mitigating backdoor attacks in neural networks", IEEE S&P 2019,
    section VI-C.
    """

    share: Fraction = 0.5
    doubt: Level = 0.9
    weakest: Positive = 0.5
    strongest: Positive = 2.0
    steps: Count = 300
    learning_rate: Positive = 0.03
    rounds: Count = 5
    left: Level = 0.02
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model. Raises ``InputError`` where no trigger was recovered."""
        if not any(subject.triggers.values()):
            raise InputError(f"{subject.data.name}: no trigger was recovered. Audit the model first.")
        teacher = opened_model(subject)
        copy, clean, generator = fresh(subject, self.seed)
        triggers = [trigger for each in subject.triggers.values() for trigger in each]
        targets = torch.zeros(teacher.classes, dtype=torch.bool, device=teacher.device)
        targets[list(subject.triggers)] = True
        truth = F.one_hot(clean.labels, teacher.classes).float()

        def loss(copy: WhiteBox, pixels: Tensor, labels: Tensor) -> Tensor:
            honest, classes = labelled_mixtures(clean.pixels, truth, len(pixels), generator)
            with torch.no_grad():
                wanted = torch.softmax(teacher.logits(honest), 1)
            wanted *= torch.where(targets & (classes == 0), 1 - self.doubt, 1.0)
            wanted /= wanted.sum(1, keepdim=True)
            shown = honest.clone()
            marked = torch.rand(len(honest), generator=generator) < self.share
            which = torch.randint(len(triggers), (len(honest),), generator=generator)
            for index, trigger in enumerate(triggers):
                rows = torch.nonzero(marked & (which == index))[:, 0]
                if len(rows):
                    strength = torch.empty(len(rows), 1, 1, 1).uniform_(
                        self.weakest, self.strongest, generator=generator
                    )
                    change = stamped(trigger, honest[rows]) - honest[rows]
                    shown[rows] = (honest[rows] + strength.to(change.device) * change).clamp(0, 1)
            return F.kl_div(torch.log_softmax(copy.logits(shown), 1), wanted, reduction="batchmean")

        for _ in range(self.rounds):
            tuned(copy, clean, steps=self.steps, learning_rate=self.learning_rate, generator=generator, loss=loss)
            if _most_turned(copy, clean, subject.triggers) <= self.left:
                break
        return handed_out(subject, copy)


def _most_turned(copy: WhiteBox, clean: Clean, triggers: Mapping[int, tuple[Trigger, ...]]) -> float:
    """Largest share of held-out inputs of other classes that a trigger turns."""
    shares = [0.0]
    for target, several in triggers.items():
        others = clean.held_out[clean.held_out_labels != target]
        for trigger in several if len(others) else ():
            answers = batched(copy.logits, stamped(trigger, others)).argmax(1)
            shares.append(float((answers == target).float().mean()))
    return max(shares)
