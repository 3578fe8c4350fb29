"""Adversarial patch: the class that a patch in a corner, where content is rare, turns most inputs into."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.attack import Trigger
from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.trigger import Stamp
from bezoar.core.validation import Count, Level, Positive, Validated
from bezoar.learn.white_box import pixels_of

_MOST = 2**26
"""Values of pixels that are stamped at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialPatch(Validated):
    """How many more inputs a patch of fixed size turns into a class from a corner than into the others.

    A search that may put its patch anywhere (Neural Cleanse) puts it where the content is, and draws a piece of the class
    there: in a clean model too, and often smaller than the attacker's. In a corner there is little to draw for most classes,
    while a backdoor answers to a patch there as its attacker meant it to. Also one patch in all four corners is sought.

    Known limits: patches in the middle, larger ones, and triggers that are no patches. Classes that are told by their
    corners are shortcuts there by nature, which a null from clean models takes into account. Departures from the
    paper: places and size are fixed, not drawn; the patch is square.

    Parameters
    ----------
    share : side of a patch, as a share of the shorter side of an input. Those in all corners are half as wide.
    steps : of Adam.
    batch : inputs a step, each under the patches of all places for a class.
    learning_rate : of Adam.
    goal : share of the inputs that a patch must turn to be handed out as the trigger.

    References
    ----------
    Brown et al., "Adversarial patch", arXiv 1712.09665, 2017, section 2.
    """

    share: Level = 0.25
    steps: Count = 60
    batch: Count = 16
    learning_rate: Positive = 0.2
    goal: Level = 0.8

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """For each class the share of inputs of other classes that the best of its patches turns."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        masks = self._places(suspect.clean.shape[2], suspect.clean.shape[3])
        device = next(suspect.model.network.parameters()).device
        pixels, labels = pixels_of(suspect.clean, device), torch.from_numpy(suspect.labels).to(device)
        places = torch.from_numpy(masks).to(device)[:, None]
        at_a_time = max(1, _MOST // (len(masks) * self.batch * suspect.clean[0].size))
        scores, triggers = np.zeros(suspect.model.classes), dict[int, Trigger]()
        shape = (suspect.model.classes, len(masks), *pixels.shape[1:])
        # Drawn for all classes, so that one finds the same patch alone as among others.
        noise = 0.5 * torch.randn(shape, generator=generator)
        for targets in torch.split(torch.tensor(suspect.sought, device=device), at_a_time):
            found = self._sought(suspect, pixels, labels, targets, places, noise[targets.cpu()].to(device), generator)
            for target, patterns in zip(targets.tolist(), found, strict=True):
                others = pixels[labels != target]
                turned = [_turned(suspect, others, target, *each) for each in zip(places, patterns, strict=True)]
                best = int(np.argmax(turned))
                scores[target] = turned[best]
                if turned[best] >= self.goal:
                    pattern = patterns[best].mul(255).round().to(torch.uint8).cpu().numpy()
                    triggers[target] = Stamp(mask=masks[best], pattern=pattern)
        return Inspection(scores=scores, triggers=triggers)

    def _places(self, height: int, width: int) -> NDArray[np.float32]:
        """(p, h, w) masks: each corner, and all four with narrower patches."""
        side = max(2, round(self.share * min(height, width)))
        masks = np.zeros((5, height, width), dtype=np.float32)
        for corner, (down, right) in enumerate(np.ndindex(2, 2)):
            for mask, wide in ((corner, side), (4, (side + 1) // 2)):
                rows = slice(height - wide, None) if down else slice(wide)
                columns = slice(width - wide, None) if right else slice(wide)
                masks[mask, rows, columns] = 1
        return masks

    def _sought(
        self,
        suspect: Suspect,
        pixels: Tensor,
        labels: Tensor,
        targets: Tensor,
        places: Tensor,
        start: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """(t, p, c, h, w) patterns in [0, 1] that lead inputs of other classes to each target from each place."""
        raw = start.requires_grad_()
        optimiser = torch.optim.Adam([raw], lr=self.learning_rate)
        for _ in range(self.steps):
            rows = torch.randint(len(pixels), (min(self.batch, len(pixels)),), generator=generator).to(pixels.device)
            stamped = _stamped(pixels[rows], places, torch.sigmoid(2 * raw)[:, :, None])
            wanted = targets[:, None, None].expand(stamped.shape[:3])
            logits = suspect.model.logits(stamped.flatten(0, 2))
            each = F.cross_entropy(logits, wanted.flatten(), reduction="none").view(wanted.shape)
            others = (labels[rows][None, None] != wanted).float()
            optimiser.zero_grad(set_to_none=True)
            (each * others).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
        return torch.sigmoid(2 * raw.detach())


def _stamped(pixels: Tensor, places: Tensor, patterns: Tensor) -> Tensor:
    """(t, p, b, c, h, w): pixels (b, c, h, w) under patterns (t, p, 1, c, h, w) at places (p, 1, h, w)."""
    inside = places[None, :, None]
    return pixels * (1 - inside) + inside * patterns


def _turned(suspect: Suspect, others: Tensor, target: int, place: Tensor, pattern: Tensor) -> float:
    """Share of the inputs that one pattern (c, h, w) at one place (1, h, w) turns."""
    if not len(others):
        return 0.0
    with torch.inference_mode():
        answers = suspect.model.logits(others * (1 - place) + place * pattern).argmax(1)
    return float((answers == target).float().mean())
