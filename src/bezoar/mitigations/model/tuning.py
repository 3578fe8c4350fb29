"""What every repair of a model does: take a copy, train it on clean inputs, hand it out."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.attack import Trigger
from bezoar.core.errors import InputError
from bezoar.core.mitigation import Subject
from bezoar.learn.device import one_thread
from bezoar.learn.training import one_cycle
from bezoar.learn.white_box import WhiteBox, copied, folded, pixels_of

Loss = Callable[[WhiteBox, Tensor, Tensor], Tensor]
"""Of the copy in training, pixels (b, c, h, w) and labels (b,)."""
HELD_OUT = 0.2
"""Share of the clean inputs that no repair trains on: they say when to stop."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clean:
    """Clean inputs of a subject as pixels where the model lives: to train on, and held out."""

    pixels: Tensor
    labels: Tensor
    held_out: Tensor
    held_out_labels: Tensor


def opened_model(subject: Subject) -> WhiteBox:
    """The subject's model. Raises ``InputError`` where there is none that can be opened."""
    if not isinstance(subject.model, WhiteBox):
        raise InputError(f"{subject.data.name}: a repair of a model needs one whose weights can be changed.")
    return subject.model


def clean_of(subject: Subject, generator: torch.Generator) -> Clean:
    """The subject's rows, less those that are suspected, split at random."""
    box, data = opened_model(subject), subject.data
    rows = np.arange(len(data)) if subject.suspicion is None else np.flatnonzero(~subject.suspicion.flagged)
    if len(rows) < 20:
        raise InputError(f"{data.name}: {len(rows)} clean inputs are too few to repair with; 20 are needed.")
    order = torch.randperm(len(rows), generator=generator).numpy()
    few = round(HELD_OUT * len(rows))
    held_out, kept = rows[order[:few]], rows[order[few:]]
    return Clean(
        pixels=pixels_of(data.images[kept], box.device),
        labels=torch.from_numpy(data.labels[kept]).to(box.device),
        held_out=pixels_of(data.images[held_out], box.device),
        held_out_labels=torch.from_numpy(data.labels[held_out]).to(box.device),
    )


def tuned(
    copy: WhiteBox,
    clean: Clean,
    *,
    steps: int,
    learning_rate: float,
    generator: torch.Generator,
    loss: Loss | None = None,
    batch: int = 64,
) -> None:
    """Train a copy in place on clean pixels by SGD with momentum and a one-cycle rate; normalisations keep their moments."""
    weights = [parameter for parameter in copy.network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(weights, lr=learning_rate, momentum=0.9, weight_decay=5e-4)
    loss = loss or cross_entropy
    with one_thread():
        for step in range(steps):
            rows = torch.randint(len(clean.pixels), (min(batch, len(clean.pixels)),), generator=generator)
            for group in optimiser.param_groups:
                group["lr"] = one_cycle(step, steps, learning_rate)
            optimiser.zero_grad(set_to_none=True)
            loss(copy, clean.pixels[rows], clean.labels[rows]).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()


def cross_entropy(copy: WhiteBox, pixels: Tensor, labels: Tensor) -> Tensor:
    """The usual loss."""
    return F.cross_entropy(copy.logits(pixels), labels)


def accuracy(box: WhiteBox, pixels: Tensor, labels: Tensor) -> float:
    """Share that a model gets right."""
    with torch.inference_mode():
        parts = [box.logits(pixels[start : start + 256]).argmax(1) for start in range(0, len(pixels), 256)]
    return float((torch.cat(parts) == labels).float().mean()) if len(labels) else 1.0


def mixtures(pixels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """So many of some pixels, shifted by at most one, half of them with another one mixed in at a weight of up to a half."""
    return labelled_mixtures(pixels, pixels.new_zeros(len(pixels), 1), count, generator)[0]


def labelled_mixtures(pixels: Tensor, shares: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """:func:`mixtures`, and (count, k) the `shares` (n, k) of classes in them, mixed alike."""
    n, (height, width) = len(pixels), pixels.shape[2:]
    rows, others = torch.randint(n, (2, count), generator=generator)
    down, right = torch.randint(3, (2, count, 1), generator=generator)
    framed = F.pad(pixels, (1, 1, 1, 1), mode="replicate").permute(0, 2, 3, 1)
    ys, xs = down + torch.arange(height), right + torch.arange(width)
    moved = framed[rows[:, None, None], ys[:, :, None], xs[:, None, :]].permute(0, 3, 1, 2)
    weight, mixed = torch.rand(2, count, 1, 1, 1, generator=generator)
    weight = (weight / 2 * (mixed < 0.5)).to(pixels.device)
    part = weight[:, 0, 0]
    return moved * (1 - weight) + pixels[others] * weight, shares[rows] * (1 - part) + shares[others] * part


def batched(function: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """What a function says of pixels (n, c, h, w), computed by batches without gradients."""
    with torch.no_grad():
        return torch.cat([function(part) for part in torch.split(pixels, 256)])


def stamped(trigger: Trigger, pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] under a trigger that stamps images of 0 to 255."""
    images = pixels.mul(255).round().to(torch.uint8).cpu().numpy()
    return pixels_of(trigger(np.ascontiguousarray(images)), pixels.device)


def handed_out(subject: Subject, copy: WhiteBox) -> Subject:
    """The subject with its model repaired."""
    return dataclasses.replace(subject, model=folded(copy))


def fresh(subject: Subject, seed: int) -> tuple[WhiteBox, Clean, torch.Generator]:
    """A copy to change, the clean inputs, and the generator that decides everything."""
    generator = torch.Generator().manual_seed(seed)
    return copied(opened_model(subject)), clean_of(subject, generator), generator
