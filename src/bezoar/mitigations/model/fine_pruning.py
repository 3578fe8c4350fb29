"""Fine-pruning: take out the units that clean inputs leave asleep, then train on."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Index, Level, Positive, Validated
from bezoar.mitigations.model.tuning import accuracy, fresh, handed_out, tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class FinePruning(Validated):
    """Silence penultimate units from the least active on clean inputs up, as long as accuracy holds, then fine-tune.

    Backdoors live where clean inputs do not: in units that only the trigger wakes.

    Known limits: an attacker who prunes first puts the backdoor where content lives. Departure from the paper: whole
    units of the penultimate layer are silenced by their outgoing weights.

    Parameters
    ----------
    tolerance : accuracy on held-out clean inputs that pruning may cost. The paper uses 0.04.
    steps, learning_rate : of the fine-tuning after it.
    seed : decides the order of the inputs.

    References
    ----------
    Liu, Dolan-Gavitt and Garg, "Fine-pruning: defending against backdooring attacks on deep neural networks", RAID 2018,
    section 4.1 and algorithm 1.
    """

    tolerance: Level = 0.02
    steps: Count = 200
    learning_rate: Positive = 0.01
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model."""
        copy, clean, generator = fresh(subject, self.seed)
        head = copy.network.head
        with torch.no_grad():
            asleep = copy.embed(clean.pixels).abs().mean(0).argsort()
            least = accuracy(copy, clean.held_out, clean.held_out_labels) - self.tolerance
            whole, kept = head.weight.clone(), 0
            # Halves: accuracy falls with the number of units that are gone, but for noise.
            low, high = 0, len(asleep)
            while low < high:
                middle = (low + high + 1) // 2
                head.weight.copy_(whole).index_fill_(1, asleep[:middle], 0.0)
                if accuracy(copy, clean.held_out, clean.held_out_labels) >= least:
                    low = kept = middle
                else:
                    high = middle - 1
            head.weight.copy_(whole).index_fill_(1, asleep[:kept], 0.0)
        silent = torch.ones_like(head.weight).index_fill_(1, asleep[:kept], 0.0)
        hook = head.weight.register_hook(lambda gradient: gradient * silent)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        tuned(copy, clean, steps=self.steps, learning_rate=self.learning_rate, generator=generator)
        hook.remove()
        return handed_out(subject, copy)
