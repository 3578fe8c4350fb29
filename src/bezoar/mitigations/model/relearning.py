"""Relearning: the end of the network is taught anew, by the model itself, on clean inputs and on pressed ones."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bezoar.core.errors import InputError
from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Index, Level, Positive, Validated
from bezoar.learn.device import one_thread
from bezoar.learn.expert import forgetful
from bezoar.learn.networks import draw_anew
from bezoar.learn.training import one_cycle
from bezoar.learn.white_box import WhiteBox
from bezoar.mitigations.model.tuning import batched, fresh, handed_out, mixtures, opened_model, stamped

_PUSHES = 4
_LARGEST = 2**26
"""Numbers that are kept of what the front of the network says of inputs: 256 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relearning(Validated):
    """Forget the last layers, then learn from the model what it says of clean inputs, whatever presses on them.

    The front of a backdoored network still sees the content; its end turns the trigger into the target. A fresh end that
    imitates the model on clean inputs, on mixtures of them and on inputs that are pressed towards the backdoor learns the
    content and never meets the backdoor's answer. What presses is found without a trigger: it is what most misleads a
    copy of the model that was trained to forget clean inputs (BaDExpert), which keeps the backdoor. Triggers that an
    audit recovered are laid on inputs as well.

    Known limits: networks of Bezoar's own kinds, whose body is a sequence of parts. Warps stay, since they act
    in the front, and triggers that look like honest content there, such as faint stripes on clothes, come down but do not go.
    Where an audit recovered triggers, unlearning takes more and costs less.

    Parameters
    ----------
    parts : of the body that are taught anew, from its end, beside the head.
    inputs : made of the clean ones, by shifts of a pixel and by mixing two.
    pressed : as many more that are pressed: two thirds until that copy errs, the others until copy and model do.
    strength : largest change of a pixel of the former, as a share of its range; of the latter 0.6 of that.
    stamped : as many more for each recovered trigger.
    steps : of AdamW, on `batch` inputs each.
    batch, learning_rate : of the steps; the rate is the peak of a one-cycle schedule.
    seed : decides everything that is drawn.

    References
    ----------
    Xie et al., "BaDExpert: extracting backdoor functionality for accurate backdoor input detection", ICLR 2024,
    algorithm 1 (the copy that forgets); Min et al., "Towards stable backdoor purification through feature shift tuning",
    NeurIPS 2023, section 4 (a fresh head); Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", arXiv
    1503.02531; Wei et al., "Shared adversarial unlearning", NeurIPS 2023 (pressed inputs keep their class).
    """

    parts: Count = 1
    inputs: Count = 8_000
    pressed: Count = 3_000
    strength: Level = 0.25
    stamped: Count = 1_500
    steps: Count = 2_000
    batch: Count = 128
    learning_rate: Positive = 3e-3
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model.

        Raises
        ------
        InputError
            No model whose weights can be changed, too few clean inputs, or a body that is no sequence of parts.
        """
        teacher = opened_model(subject)
        student, clean, generator = fresh(subject, self.seed)
        front, end = _cut(student, self.parts)
        triggers = [trigger for each in subject.triggers.values() for trigger in each]
        pixels, labels = torch.cat([clean.pixels, clean.held_out]), torch.cat([clean.labels, clean.held_out_labels])
        with one_thread():
            width = batched(lambda x: _seen(student, front, x), pixels[:1]).numel()
            share = min(1.0, _LARGEST / (width * (self.inputs + self.pressed + self.stamped * len(triggers))))
            made = torch.cat([pixels, mixtures(pixels, round(share * self.inputs), generator)])
            said = [batched(teacher.logits, made)]
            shown = [batched(lambda x: _seen(student, front, x), made)]
            expert = forgetful(teacher, pixels, labels, generator)
            honest = mixtures(pixels, round(share * self.pressed), generator)
            said.append(batched(teacher.logits, honest))
            own, half = said[-1].argmax(1), len(honest) * 2 // 3
            pressed = _pressed((expert,), honest[:half], own[:half], self.strength)
            shown.append(batched(lambda x: _seen(student, front, x), pressed))
            pressed = _pressed((expert, teacher), honest[half:], own[half:], 0.6 * self.strength)
            shown.append(batched(lambda x: _seen(student, front, x), pressed))
            for trigger in triggers:
                honest = mixtures(pixels, round(share * self.stamped), generator)
                said.append(batched(teacher.logits, honest))
                shown.append(batched(lambda x: _seen(student, front, x), stamped(trigger, honest)))
            draw_anew(end.cpu(), generator)
            self._teach(end.to(student.device), torch.cat(shown), torch.softmax(torch.cat(said), 1), generator)
        return handed_out(subject, student)

    def _teach(self, end: nn.Module, shown: Tensor, wanted: Tensor, generator: torch.Generator) -> None:
        """Train the end of the network, in place, to say of what it is shown what is wanted."""
        end.train().requires_grad_(True)
        optimiser = torch.optim.AdamW(end.parameters(), lr=self.learning_rate)
        for step in range(self.steps):
            rows = torch.randint(len(shown), (min(self.batch, len(shown)),), generator=generator)
            for group in optimiser.param_groups:
                group["lr"] = one_cycle(step, self.steps, self.learning_rate)
            optimiser.zero_grad(set_to_none=True)
            log_p = torch.log_softmax(end(shown[rows]), 1)
            F.kl_div(log_p, wanted[rows], reduction="batchmean").backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
        end.eval()


def _cut(box: WhiteBox, parts: int) -> tuple[nn.Sequential, nn.Sequential]:
    """The body before its last parts that have weights, and those with all that follows and the head. They share layers with the network."""
    body = box.network.body
    weighty = [index for index, part in enumerate(body) if any(weight.ndim > 1 for weight in part.parameters())]
    if len(weighty) <= parts:
        raise InputError(
            f"relearning needs a body in more than {parts} parts with weights. This one has {len(weighty)}."
        )
    cut = weighty[-parts]
    return nn.Sequential(*list(body)[:cut]), nn.Sequential(*list(body)[cut:], box.network.head)


def _seen(box: WhiteBox, front: nn.Sequential, pixels: Tensor) -> Tensor:
    """What the front of the network says of pixels."""
    if pixels.shape[2:] != box.size:
        pixels = F.interpolate(pixels, box.size, mode="area")
    scaled = (pixels - box.mean[:, None, None]) / box.std[:, None, None]
    seen: Tensor = front(scaled.contiguous(memory_format=torch.channels_last))
    return seen


def _pressed(boxes: tuple[WhiteBox, ...], pixels: Tensor, own: Tensor, strength: float) -> Tensor:
    """Inputs changed by at most `strength` so that all of these networks together leave their own class."""

    def press(chunk: Tensor, classes: Tensor) -> Tensor:
        change = torch.zeros_like(chunk)
        for _ in range(_PUSHES):
            change.requires_grad_()
            loss = torch.stack(
                [F.cross_entropy(box.logits((chunk + change).clamp(0, 1)), classes) for box in boxes]
            ).sum()
            (gradient,) = torch.autograd.grad(loss, change)
            change = (change.detach() + 1.5 * strength / _PUSHES * gradient.sign()).clamp(-strength, strength)
        return (chunk + change).clamp(0, 1)

    return torch.cat([press(*each) for each in zip(torch.split(pixels, 256), torch.split(own, 256), strict=True)])
