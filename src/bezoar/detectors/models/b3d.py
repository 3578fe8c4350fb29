"""B3D: the class that an abnormally small patch turns every input into, found by asking alone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bezoar.core.detector import Inspection, Questioned, Unit
from bezoar.core.validation import Count, Level, Positive, Validated
from bezoar.detectors.models.inverted import judged
from bezoar.detectors.models.neural_cleanse import Patch
from bezoar.learn.inversion import FIRST_WEIGHT, Parameters, Schedule, Search, next_rows
from bezoar.learn.white_box import pixels_of

_MOST_BYTES = 2**26
"""Pictures that are put to the model at a time take no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class B3D(Validated):
    """What Neural Cleanse asks, of a model that only predicts: how small a patch turns all inputs into a class.

    Patches are drawn around a centre, each pixel in or out by chance and its colour with noise; how the model answers
    says which way to move the centre (natural evolution strategies). Log-probabilities must come back, not labels alone.

    It asks steps x batch x (2 pairs + 1) pictures of each class at most: 18,000 with the defaults, so 180,000 for ten
    classes. A class is done earlier once its patch no longer shrinks.

    Known limits: those of Neural Cleanse; and the larger the picture, the fewer of its pixels each question tells
    about. Probabilities that are rounded, or cut to the first few, hide which way is better. Departures from the paper:
    all classes in one search; patches in opposite pairs and losses taken from their mean, which makes answers count for
    more; the size of the patch is differentiated exactly; clean inputs are asked, not made-up ones; a null from clean
    models decides.

    Parameters
    ----------
    steps : of the optimiser at most.
    pairs : of patches drawn around the centre in a step.
    batch : inputs a step, each under every patch.
    learning_rate : of Adam.
    deviation : standard deviation of the noise in colours, before they are brought into their range.
    goal : share of the inputs that must turn.

    References
    ----------
    Dong et al., "Black-box detection of backdoor attacks with limited information and data", ICCV 2021, section 3.
    """

    steps: Count = 200
    pairs: Count = 4
    batch: Count = 10
    learning_rate: Positive = 0.2
    deviation: Positive = 2.0
    goal: Level = 0.95

    unit: ClassVar[Unit] = Unit.MODEL
    black_box: ClassVar[bool] = True
    stand_in: ClassVar[bool] = True

    def inspect(self, suspect: Questioned, rng: np.random.Generator) -> Inspection:
        """Minus the logarithm of the pixels of each class's patch, and the patches that reach their class."""
        search = Search(steps=self.steps, batch=self.batch, learning_rate=self.learning_rate, goal=self.goal)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        n, k = len(suspect.clean), suspect.model.classes
        centre = Patch().start(k, suspect.clean.shape[1:], generator)
        optimiser = torch.optim.Adam(list(centre.values()), lr=self.learning_rate, betas=(0.9, 0.99))
        schedule = Schedule.of(centre, k, FIRST_WEIGHT, suspect.targets)
        batch = min(self.batch, n)
        at_a_time = max(1, _MOST_BYTES // ((2 * self.pairs + 1) * 4 * batch * suspect.clean[0].size))
        order = torch.randperm(n, generator=generator)
        for step in range(self.steps):
            active = torch.from_numpy(np.flatnonzero(schedule.searching))
            if not len(active):
                break
            rows, order = next_rows(order, batch, n, generator)
            for value in centre.values():
                value.grad = torch.zeros_like(value)
            for some in torch.split(active, at_a_time):
                self._ask(suspect, rows.numpy(), some, centre, schedule, generator)
            optimiser.step()
            if (step + 1) % search.window == 0:
                schedule.judge(centre, search, step + 1)
        return judged(schedule.result(centre, self.steps), Patch(), self.goal)

    def _ask(
        self,
        suspect: Questioned,
        rows: NDArray[np.int64],
        active: Tensor,
        centre: Parameters,
        schedule: Schedule,
        generator: torch.Generator,
    ) -> None:
        """Put patches around the centres of some classes to the model: which way to move, and what works by now."""
        pixels = pixels_of(suspect.clean[rows], torch.device("cpu"))
        labels = torch.from_numpy(suspect.labels[rows])
        m, b, k = len(active), len(rows), suspect.model.classes
        own = {name: value[active] for name, value in centre.items()}
        share, colours = torch.sigmoid(2 * own["mask"])[:, None], own["pattern"][:, None]
        chance = torch.rand(m, self.pairs, *share.shape[2:], generator=generator)
        noise = torch.randn(m, self.pairs, *colours.shape[2:], generator=generator)
        chance, noise = torch.cat([chance, 1 - chance], 1), torch.cat([noise, -noise], 1)
        inside = (chance < share).float()
        # The centre itself goes first: whether it works is counted, and no direction is taken from it.
        masks = torch.cat([share, inside], 1)[:, :, None]
        patterns = torch.sigmoid(2 * torch.cat([colours, colours + self.deviation * noise], 1))[:, :, None]
        stamped = pixels * (1 - masks) + masks * patterns
        images = stamped.mul_(255).round_().to(torch.uint8).flatten(0, 2).contiguous()
        answers = torch.from_numpy(suspect.model.predict(images.numpy())).view(m, -1, b, k)
        others = (labels[None, :] != active[:, None]).float()
        wanted = answers.gather(3, active[:, None, None, None].expand(m, answers.shape[1], b, 1))[..., 0]
        losses = -(wanted * others[:, None]).sum(2) / others.sum(1, keepdim=True).clamp_min(1)
        better = (losses[:, 1:] - losses[:, 1:].mean(1, keepdim=True))[:, :, None, None, None]
        weight = torch.from_numpy(schedule.weight[active.numpy()]).float()[:, None, None, None]
        slope = 2 * share * (1 - share)
        gradients = {
            "mask": (better * 2 * (inside - share)).mean(1) + weight * slope[:, 0],
            "pattern": (better * noise).mean(1) / self.deviation,
        }
        for name, gradient in gradients.items():
            if (whole := centre[name].grad) is not None:
                whole[active] = gradient
        hits = ((answers[:, 0].argmax(2) == active[:, None]).float() * others).sum(1)
        schedule.count(active, hits, others.sum(1), Patch().size(own, stamped))
