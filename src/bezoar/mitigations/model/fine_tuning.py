"""Fine-tuning: train on, on clean inputs."""

from dataclasses import dataclass
from typing import ClassVar

from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Index, Positive, Validated
from bezoar.mitigations.model.tuning import fresh, handed_out, tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning(Validated):
    """Train a copy on the clean inputs.

    What the trigger taught fades where nothing asks for it any more.

    Known limits: strong backdoors stay. It is the yardstick for other repairs.

    Parameters
    ----------
    steps : of the optimiser, on 64 inputs each.
    learning_rate : peak of the one-cycle rate.
    seed : decides the order of the inputs.

    References
    ----------
    Liu, Dolan-Gavitt and Garg, "Fine-pruning: defending against backdooring attacks on deep neural networks", RAID 2018,
    section 4.2 (fine-tuning alone).
    """

    steps: Count = 200
    learning_rate: Positive = 0.01
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model."""
        copy, clean, generator = fresh(subject, self.seed)
        tuned(copy, clean, steps=self.steps, learning_rate=self.learning_rate, generator=generator)
        return handed_out(subject, copy)
