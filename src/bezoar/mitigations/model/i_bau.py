"""I-BAU: unlearn the universal perturbation that does most harm, again and again, minding how it would answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Index, Positive, Validated
from bezoar.learn.white_box import WhiteBox
from bezoar.mitigations.model.tuning import fresh, handed_out


@dataclass(frozen=True, slots=True, kw_only=True)
class IBau(Validated):
    """Minimise, over the weights, the loss under the perturbation common to all inputs that maximises it.

    Whatever the trigger is, it is at most as harmful as the worst perturbation of its size.

    Known limits: triggers that no small perturbation common to all inputs resembles. The rounds end where the paper's
    do; no trigger is needed to choose the end.

    Parameters
    ----------
    steps : of the outer problem. The paper uses up to 5 passes over the clean inputs.
    inner : steps of the perturbation in each round.
    radius : largest norm of the perturbation, over the square root of the number of pixels.
    learning_rate : of Adam, on the weights.
    terms : of the series for the implicit gradient. The paper uses 5.
    seed : decides the order of the inputs.

    References
    ----------
    Zeng et al., "Adversarial unlearning of backdoors via implicit hypergradient", ICLR 2022, equations 3 to 5 and
    algorithm 1.
    """

    steps: Count = 60
    inner: Count = 5
    radius: Positive = 0.1
    learning_rate: Positive = 5e-4
    terms: Count = 3
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model."""
        copy, clean, generator = fresh(subject, self.seed)
        weights = [parameter for parameter in copy.network.parameters() if parameter.requires_grad]
        optimiser = torch.optim.Adam(weights, lr=self.learning_rate)
        for _ in range(self.steps):
            rows = torch.randint(len(clean.pixels), (min(96, len(clean.pixels)),), generator=generator)
            pixels, labels = clean.pixels[rows], clean.labels[rows]
            worst = self._worst(copy, pixels, labels, generator)
            gradients = self._hypergradient(copy, pixels, labels, worst, weights)
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient
            optimiser.step()
        return handed_out(subject, copy)

    def _worst(self, copy: WhiteBox, pixels: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The perturbation (1, c, h, w) of all inputs at once, by projected gradient ascent."""
        shape = (1, *pixels.shape[1:])
        bound = self.radius * pixels[0].numel() ** 0.5
        found = (0.01 * torch.randn(shape, generator=generator)).to(pixels.device)
        for _ in range(self.inner):
            found = found.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(_harm(copy, pixels, labels, found), found)
            found = found + bound / 2 * gradient / gradient.norm().clamp_min(1e-12)
            found = found * (bound / found.norm()).clamp(max=1)
        return found.detach()

    def _hypergradient(
        self, copy: WhiteBox, pixels: Tensor, labels: Tensor, worst: Tensor, weights: Sequence[Tensor]
    ) -> list[Tensor]:
        """Gradient of the loss at the worst perturbation, with what the perturbation's own answer adds to it."""
        worst = worst.detach().requires_grad_()
        outer = F.cross_entropy(copy.logits(pixels), labels) + _harm(copy, pixels, labels, worst)
        direct = torch.autograd.grad(outer, [worst, *weights])
        # One step of ascent is the map whose fixed point the perturbation is; its series inverts the Jacobian.
        rate = 0.1
        inner = _harm(copy, pixels, labels, worst)
        (slope,) = torch.autograd.grad(inner, worst, create_graph=True)
        step = worst + rate * slope
        term = series = direct[0]
        for _ in range(self.terms - 1):
            (term,) = torch.autograd.grad(step, worst, term, retain_graph=True)
            series = series + term
        indirect = torch.autograd.grad(step, weights, series, allow_unused=True)
        return [
            straight if other is None else straight + other
            for straight, other in zip(direct[1:], indirect, strict=True)
        ]


def _harm(copy: WhiteBox, pixels: Tensor, labels: Tensor, change: Tensor) -> Tensor:
    return F.cross_entropy(copy.logits((pixels + change).clamp(0, 1)), labels)
