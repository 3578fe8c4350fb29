"""NAD: a fine-tuned teacher tells the model where to look."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Index, Positive, Validated
from bezoar.learn.white_box import WhiteBox, copied
from bezoar.mitigations.model.tuning import fresh, handed_out, tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class Nad(Validated):
    """Fine-tune one copy, then train another to be right and to attend where the first attends.

    Known limits: as fine-tuning's, where the teacher keeps the backdoor. Departure from the paper: attention is compared
    after every convolution but the first.

    Parameters
    ----------
    steps : of the teacher, and of the student.
    learning_rate : of both.
    weight : of the difference in attention. The paper uses 500 to 2,000.
    seed : decides the order of the inputs.

    References
    ----------
    Li et al., "Neural attention distillation: erasing backdoor triggers from deep neural networks", ICLR 2021,
    equations 2 to 4.
    """

    steps: Count = 200
    learning_rate: Positive = 0.01
    weight: Positive = 500.0
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model."""
        student, clean, generator = fresh(subject, self.seed)
        teacher = copied(student)
        tuned(teacher, clean, steps=self.steps, learning_rate=self.learning_rate, generator=generator)
        teacher.network.requires_grad_(False)

        def loss(copy: WhiteBox, pixels: Tensor, labels: Tensor) -> Tensor:
            wanted, _ = _attention(teacher, pixels)
            got, logits = _attention(copy, pixels)
            apart = sum(((one - other) ** 2).mean() for one, other in zip(got, wanted, strict=True))
            return F.cross_entropy(logits, labels) + self.weight * apart

        tuned(student, clean, steps=self.steps, learning_rate=self.learning_rate, generator=generator, loss=loss)
        return handed_out(subject, student)


def _attention(box: WhiteBox, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
    """After each convolution but the first: squares summed over channels, (n, h * w) of unit length; and the logits."""
    seen: list[Tensor] = []
    layers = [layer for layer in box.body.modules() if isinstance(layer, nn.Conv2d)][1:]
    hooks = [layer.register_forward_hook(lambda _, __, out: seen.append(out)) for layer in layers]
    try:
        logits = box.logits(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return [F.normalize(out.float().square().sum(1).flatten(1), dim=1) for out in seen], logits
