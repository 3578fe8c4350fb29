"""ANP: take out the neurons that a small adversarial push turns against clean inputs."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import stateless

from bezoar.core.errors import InputError
from bezoar.core.mitigation import Subject
from bezoar.core.validation import Count, Fraction, Index, Level, Positive, Validated
from bezoar.learn.white_box import WhiteBox
from bezoar.mitigations.model.layers import normalisations
from bezoar.mitigations.model.tuning import accuracy, fresh, handed_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Anp(Validated):
    """Learn a mask over channels that keeps clean inputs right while scales and shifts are pushed adversarially.

    Channels that carry a backdoor are the ones whose push does the damage: their mask falls.

    Known limits: networks without batch normalisation. Departure from the paper: the threshold of the mask is not a
    number but the highest at which held-out clean accuracy holds.

    Parameters
    ----------
    push : largest relative change of a scale or a shift. The paper uses 0.4.
    balance : weight of the loss without a push. The paper uses 0.2.
    steps : of the mask, each with one step of the push.
    learning_rate : of the mask. The paper uses 0.2.
    tolerance : accuracy on held-out clean inputs that pruning may cost.
    seed : decides the order of the inputs.

    References
    ----------
    Wu and Wang, "Adversarial neuron pruning purifies backdoored deep models", NeurIPS 2021, equations 5 and 6.
    """

    push: Positive = 0.4
    balance: Fraction = 0.2
    steps: Count = 300
    learning_rate: Positive = 0.2
    tolerance: Level = 0.01
    seed: Index = 0

    surface: ClassVar[str] = "model"

    def apply(self, subject: Subject) -> Subject:
        """The subject with a repaired copy of its model. Raises ``InputError`` where it has no batch normalisation."""
        copy, clean, generator = fresh(subject, self.seed)
        copy.network.requires_grad_(False)
        layers = normalisations(copy.network)
        if not layers:
            raise InputError("ANP needs batch normalisation, which the network has not.")
        names = {id(module): name for name, module in copy.network.named_modules()}
        masks = [torch.ones_like(layer.weight).requires_grad_() for layer in layers]
        optimiser = torch.optim.SGD(masks, lr=self.learning_rate, momentum=0.9)
        for _ in range(self.steps):
            rows = torch.randint(len(clean.pixels), (min(64, len(clean.pixels)),), generator=generator)
            pixels, labels = clean.pixels[rows], clean.labels[rows]
            pushes = [
                (self.push * (2 * torch.rand(2, len(mask), generator=generator) - 1)).to(mask.device).requires_grad_()
                for mask in masks
            ]
            held = [mask.detach() for mask in masks]
            harm = self._loss(copy, layers, names, held, pushes, pixels, labels)
            gradients = torch.autograd.grad(harm, pushes)
            worst = [
                (push.detach() + self.push * gradient.sign()).clamp(-self.push, self.push)
                for push, gradient in zip(pushes, gradients, strict=True)
            ]
            still = [torch.zeros_like(push) for push in worst]
            loss = self.balance * self._loss(copy, layers, names, masks, still, pixels, labels)
            loss = loss + (1 - self.balance) * self._loss(copy, layers, names, masks, worst, pixels, labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            with torch.no_grad():
                for mask in masks:
                    mask.clamp_(0, 1)
        self._prune(copy, layers, masks, clean.held_out, clean.held_out_labels)
        return handed_out(subject, copy)

    def _loss(
        self,
        copy: WhiteBox,
        layers: list[nn.BatchNorm2d],
        names: dict[int, str],
        masks: list[Tensor],
        pushes: list[Tensor],
        pixels: Tensor,
        labels: Tensor,
    ) -> Tensor:
        """Cross-entropy with masked and pushed scales and pushed shifts."""
        changed = {}
        for layer, mask, push in zip(layers, masks, pushes, strict=True):
            name = names[id(layer)]
            changed[f"{name}.weight"] = layer.weight * (mask + push[0])
            changed[f"{name}.bias"] = layer.bias * (1 + push[1])
        with stateless._reparametrize_module(copy.network, changed):
            return F.cross_entropy(copy.logits(pixels), labels)

    def _prune(
        self,
        copy: WhiteBox,
        layers: list[nn.BatchNorm2d],
        masks: list[Tensor],
        held_out: Tensor,
        labels: Tensor,
    ) -> None:
        """Silence the channels of the lowest masks, as many as held-out accuracy bears."""
        with torch.no_grad():
            before = [(layer.weight.clone(), layer.bias.clone()) for layer in layers]
            least = accuracy(copy, held_out, labels) - self.tolerance
            levels = torch.unique(torch.cat([mask.detach() for mask in masks]))
            levels = levels[levels < 0.9]
            for level in levels.flip(0):
                self._silence(layers, masks, before, float(level))
                if accuracy(copy, held_out, labels) >= least:
                    return
            self._silence(layers, masks, before, -1.0)

    @staticmethod
    def _silence(
        layers: list[nn.BatchNorm2d], masks: list[Tensor], before: list[tuple[Tensor, Tensor]], level: float
    ) -> None:
        for layer, mask, (weight, bias) in zip(layers, masks, before, strict=True):
            kept = (mask.detach() > level).float()
            layer.weight.copy_(weight * kept)
            layer.bias.copy_(bias * kept)
