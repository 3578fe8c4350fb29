"""Maximum margin: the class that some input reaches with an abnormal lead, found without any data."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional as F

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.validation import Count, Positive, Validated

_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class MaximumMargin(Validated):
    """How much larger the greatest lead of a class's logit over all others is than other classes' greatest leads.

    Training on a backdoor drives the logit of its target up for whatever shows the trigger, without bound by natural
    variety. The input with the greatest lead is sought by gradient ascent from random pictures; no clean input is used.

    Known limits: nets whose logits are bounded (weight decay, label smoothing) leave less room. Departures from the
    paper: a class is compared with the same class of clean models where there are any, in logarithms; the paper fits an
    exponential to the margins of all classes but the largest.

    Parameters
    ----------
    starts : random pictures for each class. The paper uses 30.
    steps : of gradient ascent. The paper goes on until the margin no longer grows.
    learning_rate : of Adam, as a share of the range of a pixel.

    References
    ----------
    Wang, Xiang, Miller, Kesidis, "MM-BD: post-training detection of backdoor attacks with arbitrary backdoor pattern
    types using a maximum margin statistic", IEEE S&P 2024, equations 2 and 3.
    """

    starts: Count = 8
    steps: Count = 100
    learning_rate: Positive = 0.05

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """Logarithm of each class's greatest lead."""
        model, k = suspect.model, suspect.model.classes
        device = next(model.network.parameters()).device
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        pictures = torch.rand(k * self.starts, *suspect.clean.shape[1:], generator=generator).to(device)
        pictures.requires_grad_()
        own = F.one_hot(torch.arange(k).repeat_interleave(self.starts), k).bool().to(device)
        optimiser = torch.optim.Adam([pictures], lr=self.learning_rate)
        best = torch.full((len(own),), -torch.inf, device=device)
        for _ in range(self.steps):
            logits = model.logits(pictures.clamp(0, 1))
            margin = logits[own] - logits.masked_fill(own, -torch.inf).amax(1)
            best = torch.maximum(best, margin.detach())
            optimiser.zero_grad(set_to_none=True)
            (-margin.sum()).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            with torch.no_grad():
                pictures.clamp_(0, 1)
        most = best.view(k, self.starts).amax(1)
        return Inspection(scores=np.log(np.maximum(most.double().cpu().numpy(), _LEAST)))
