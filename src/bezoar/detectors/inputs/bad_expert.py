"""BaDExpert: inputs on which the model agrees with a copy of it that was made to forget everything but the backdoor."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Level, Positive, Validated
from bezoar.detectors.inputs.passing import by_batches, opened_box
from bezoar.learn.expert import forgetful
from bezoar.learn.white_box import copied, folded, pixels_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BadExpert(Validated):
    """How likely the class that the model gives is to a copy that was trained on clean inputs with wrong labels.

    A few steps on wrong labels take away what clean inputs have in common. The trigger is on none of them, so what it
    does stays: where the copy still agrees with the model, a trigger speaks.

    Known limits: backdoors that hang on the same features as the content (faint warps), and few clean inputs.
    Departure from the paper: the copy's opinion alone, without that of a model fine-tuned on right labels.

    Parameters
    ----------
    forgotten : share of the clean inputs that the copy may still get right when its training ends.
    learning_rate : of Adam, the paper's. Larger steps tear down the backdoor with the content.
    batch : inputs a step.
    steps : at most.

    References
    ----------
    Xie et al., "BaDExpert: extracting backdoor functionality for accurate backdoor input detection", ICLR 2024,
    algorithm 1.
    """

    forgotten: Level = 0.5
    learning_rate: Positive = 1e-4
    batch: Count = 64
    steps: Count = 300

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One through the model and one through the copy."""
        return 2

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """Weights of the copy. Raises ``InputError`` where the network's weights cannot be reached."""
        box = opened_box(suspect.model)
        copy = forgetful(
            box,
            pixels_of(suspect.clean, box.device),
            torch.from_numpy(suspect.labels).to(box.device),
            torch.Generator().manual_seed(int(rng.integers(2**62))),
            forgotten=self.forgotten,
            learning_rate=self.learning_rate,
            batch=self.batch,
            steps=self.steps,
        )
        return {name: value.detach().cpu().numpy() for name, value in copy.network.state_dict().items()}

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Log-probability that the copy gives to the model's class."""
        box = opened_box(model)
        copy = copied(box)
        copy.network.load_state_dict({name: torch.from_numpy(value) for name, value in learned.items()})
        expert = folded(copy)

        def score(pixels: Tensor) -> Tensor:
            own = box.logits(pixels).argmax(1, keepdim=True)
            return F.log_softmax(expert.logits(pixels), 1).gather(1, own)[:, 0]

        return by_batches(score, box.device, passes=2)
