"""Neural Cleanse as it was published: one class after another, each on its own. The other side of a comparison.

Wang et al., "Neural Cleanse: identifying and mitigating backdoor attacks in neural networks", IEEE S&P 2019, sections IV and V-B, with the
settings of the program that its authors gave out. Nothing of Bezoar's own search is used here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Logits = Callable[[Tensor], Tensor]
_FIRST_COST = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The settings of the program.

    Parameters
    ----------
    steps : for each class.
    batch : inputs an update.
    batches : updates a step. The authors' example passes 1,000 inputs a step, which are 31 batches of 32.
    learning_rate : of Adam, whose decay rates are 0.5 and 0.9.
    goal : share of the inputs of a step that must turn.
    patience : steps after which the cost changes.
    multiplier : by which the cost rises; it falls by its power of 1.5.
    early_stop : steps without a smaller mask after which a class is left, once the cost has risen and fallen. None for never.
    """

    steps: int = 1_000
    batch: int = 32
    batches: int = 1
    learning_rate: float = 0.1
    goal: float = 0.99
    patience: int = 5
    multiplier: float = 1.5
    early_stop: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sought:
    """What was found for a class: the norm of the smallest mask that reached the goal, and the updates that it took.

    Where none did, all is the last one's and `reached` is false. Mask (1, h, w) and pattern (c, h, w) are those after the step.
    """

    norm: float
    reached: bool
    updates: int
    mask: Tensor
    pattern: Tensor

    def stamp(self, pixels: Tensor) -> Tensor:
        """Pixels (n, c, h, w) in [0, 1] under the pattern."""
        return (1 - self.mask) * pixels + self.mask * self.pattern


def seek(
    logits: Logits, pixels: Tensor, target: int, program: Program, generator: torch.Generator, rng: np.random.Generator
) -> Sought:
    """The smallest mask and pattern that turn inputs into one class.

    Parameters
    ----------
    logits : (n, k) of pixels (n, c, h, w) in [0, 1].
    pixels : (n, c, h, w), of any class: the program does not leave out those of the target.
    """
    mask, pattern = (_drawn((channels, *pixels.shape[2:]), generator) for channels in (1, pixels.shape[1]))
    optimiser = torch.optim.Adam([pattern, mask], lr=program.learning_rate, betas=(0.5, 0.9))
    batches, schedule = _batches(len(pixels), program.batch, rng), _Schedule(program)
    updates, norm, best = 0, float("nan"), (mask, pattern)
    for _ in range(program.steps):
        hits = seen = 0
        norms = []
        for _ in range(program.batches):
            rows = next(batches)
            share = torch.tanh(mask) / 2 + 0.5
            stamped = (1 - share) * pixels[rows] + share * (torch.tanh(pattern) / 2 + 0.5)
            answers = logits(stamped)
            size = share.abs().sum()
            loss = F.cross_entropy(answers, torch.full((len(rows),), target)) + schedule.cost * size
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            hits += int((answers.argmax(1) == target).sum())
            seen += len(rows)
            norms.append(float(size.detach()))
            updates += 1
        norm = float(np.mean(norms))
        before = schedule.best
        ends = schedule.ends(hits / seen, norm)
        if schedule.best < before:
            best = mask.detach().clone(), pattern.detach().clone()
        if ends:
            break
    reached = bool(np.isfinite(schedule.best))
    share, shade = (torch.tanh(each.detach()) / 2 + 0.5 for each in best)
    return Sought(norm=schedule.best if reached else norm, reached=reached, updates=updates, mask=share, pattern=shade)


class _Schedule:
    """How the cost of a mask's size moves: from nothing to its first value, then up and down with what succeeds."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.cost, self.best = 0.0, float("inf")
        self._set = self._up = self._down = self._still = 0
        self._rose = self._fell = False

    def ends(self, success: float, norm: float) -> bool:
        """Take in a step; true where the class is done."""
        works = success >= self.program.goal
        smaller = works and norm < self.best
        if smaller:
            self.best = norm
        if self._is_still(smaller):
            return True
        self._begin(works)
        self._move(works)
        return False

    def _is_still(self, smaller: bool) -> bool:
        if np.isfinite(self.best):
            self._still = 0 if smaller else self._still + 1
        patience = self.program.early_stop
        return patience is not None and self._rose and self._fell and self._still >= patience

    def _begin(self, works: bool) -> None:
        if self.cost or not works:
            self._set = 0
            return
        self._set += 1
        if self._set >= self.program.patience:
            self.cost, self._up, self._down = _FIRST_COST, 0, 0
            self._rose = self._fell = False

    def _move(self, works: bool) -> None:
        self._up, self._down = (self._up + 1, 0) if works else (0, self._down + 1)
        if self._up >= self.program.patience:
            self._up, self._rose = 0, True
            self.cost *= self.program.multiplier
        elif self._down >= self.program.patience:
            self._down, self._fell = 0, True
            self.cost /= self.program.multiplier**1.5


def anomaly(norms: NDArray[np.float64], target: int) -> float:
    """How many deviations the target's norm lies below the median: over 2, the paper calls the class infected (section IV-B).

    0 where half of the norms are the same: they do not tell what a usual deviation is.
    """
    middle = np.median(norms)
    deviation = 1.4826 * np.median(np.abs(norms - middle))
    return float((middle - norms[target]) / deviation) if deviation else 0.0


def _drawn(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in (0, 1), as what tanh makes of it."""
    uniform = torch.rand(shape, generator=generator)
    return torch.atanh((2 * uniform - 1) * (1 - 1e-6)).requires_grad_()


def _batches(n: int, size: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Rows in an order drawn anew for each pass over them; the last batch of a pass may be smaller."""
    while True:
        yield from torch.split(torch.from_numpy(rng.permutation(n)), size)
