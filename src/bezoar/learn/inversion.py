"""Trigger inversion: the smallest change of any input that leads to a class, sought for all classes at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Index, Level, Positive, Validated

Parameters = Mapping[str, Tensor]
"""By name, the first axis of each over classes."""
_UP, _DOWN = 1.5, 1.5**1.5
"""Factors by which a weight rises after enough successes and falls after enough failures."""
_GENTLY, _POLISH_WINDOW = 1.3, 5
"""The same for one trigger that works already, and the steps over which its success is counted."""
FIRST_WEIGHT = 1e-3
"""Of the size beside the loss, where a search begins."""
_STILL = 0.99
"""A size that is not below this share of the least one is no progress."""
_ROUGHLY_STILL, _ROUGH_PATIENCE = 0.95, 3
"""The same, and the windows without progress, for classes of which a rough size will do."""


class Family(Protocol):
    """One form of trigger, with free parameters."""

    def start(self, classes: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """Free parameters of `classes` triggers for inputs of `shape` (c, h, w), on the CPU."""
        ...

    def stamp(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """(m, b, c, h, w): `pixels` (b, c, h, w) in [0, 1] under each of the m triggers."""
        ...

    def size(self, parameters: Parameters, change: Tensor) -> Tensor:
        """(m,) how much each trigger changes, of which `change` (m, b, c, h, w) is what it did: what is made small."""
        ...


Penalty = Callable[[Parameters, Tensor, Tensor, Tensor], Tensor]
"""Of parameters, pixels (b, c, h, w), labels (b,) and targets (m,): (m,) what else is made small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(Validated):
    """How long and how hard is searched.

    Parameters
    ----------
    steps : of the optimiser, for each class at most.
    batch : inputs a step.
    learning_rate : of Adam.
    goal : share of the inputs that a trigger shall lead to its class.
    window : steps over which success is counted before a weight may change.
    patience : windows without a smaller trigger after which a class is done.
    finalists : classes, those with the smallest triggers, that are searched for to the end. Of many classes all others are done
        as soon as their triggers hardly shrink: their sizes, mostly a tenth larger than need be, only say what is usual.
    scale : of the weight of sizes at the beginning: large where sizes are small numbers.
    polish : steps, on twice the inputs at half the rate, for which the smallest trigger is sought on by itself. It is handed out
        smaller; its size is told as it was beside the others, by the same rules.
    """

    steps: Count = 400
    batch: Count = 24
    learning_rate: Positive = 0.1
    goal: Level = 0.99
    window: Count = 10
    patience: Count = 5
    finalists: Count = 10
    scale: Positive = 1.0
    polish: Index = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inverted:
    """The smallest trigger that was found for each class.

    Parameters
    ----------
    parameters : of all classes.
    size : (k,) of each trigger; the size at the end where it never reached the goal, infinite where it was not sought.
    success : (k,) share of the inputs of other classes that it led to the class, over the window it was taken from.
    steps : (k,) after which the class was done.
    """

    parameters: dict[str, Tensor]
    size: NDArray[np.float64]
    success: NDArray[np.float64]
    steps: NDArray[np.int64]


def invert(
    model: HasGradients,
    pixels: Tensor,
    labels: Tensor,
    family: Family,
    generator: torch.Generator,
    search: Search = Search(),
    penalty: Penalty | None = None,
    targets: Sequence[int] | None = None,
) -> Inverted:
    """Find for each class the smallest trigger of a family that leads inputs of the other classes to it.

    One optimisation of all classes: a step passes one batch under every trigger that is still sought. Each class has a
    weight of its own for the size, which rises while the goal is met and falls while it is not, and is done, by itself,
    once its trigger no longer shrinks.

    Parameters
    ----------
    pixels : (n, c, h, w) in [0, 1], where the model lives.
    labels : (n,) their classes.
    penalty : what else is made small, beside the size.
    targets : classes that are sought; all where None. A trigger of another class is what its search would begin with.

    References
    ----------
    Wang et al., "Neural Cleanse: identifying and mitigating backdoor attacks in neural networks", IEEE S&P 2019,
    section V-B and its optimisation schedule; there classes are sought one after another.
    """
    k, n = model.classes, len(pixels)
    parameters = {
        name: value.to(pixels.device).requires_grad_()
        for name, value in family.start(k, tuple(pixels.shape[1:]), generator).items()
    }
    optimiser = torch.optim.Adam(list(parameters.values()), lr=search.learning_rate, betas=(0.5, 0.9))
    state = Schedule.of(parameters, k, FIRST_WEIGHT * search.scale, targets)
    order = torch.randperm(n, generator=generator)
    for step in range(search.steps):
        active = torch.from_numpy(np.flatnonzero(state.searching)).to(pixels.device)
        if not len(active):
            break
        rows, order = next_rows(order, min(search.batch, n), n, generator)
        own = {name: value[active] for name, value in parameters.items()}
        stamped = family.stamp(own, pixels[rows])
        m, b = stamped.shape[:2]
        logits = model.logits(stamped.flatten(0, 1)).view(m, b, k)
        others = (labels[rows][None, :] != active[:, None]).float()
        wanted = active[:, None].expand(m, b)
        each = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view(m, b)
        count = others.sum(1).clamp_min(1)
        sizes = family.size(own, stamped - pixels[rows])
        weights = torch.from_numpy(state.weight[active.cpu().numpy()]).to(sizes)
        loss = (each * others).sum(1) / count + weights * sizes
        if penalty is not None:
            loss = loss + penalty(own, pixels[rows], labels[rows], active)
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        _leave_out_what_is_no_number(parameters)
        optimiser.step()
        hits = ((logits.argmax(2) == wanted).float() * others).sum(1)
        state.count(active, hits, others.sum(1), sizes.detach())
        if (step + 1) % search.window == 0:
            state.judge(parameters, search, step + 1)
    found = state.result(parameters, search.steps)
    reached = np.flatnonzero(found.success >= search.goal)
    if search.polish and len(reached):
        smallest = int(reached[found.size[reached].argmin()])
        others = pixels[labels != smallest]
        polished = _polished(model, others, family, found, smallest, float(state.weight[smallest]), generator, search)
        for name, value in polished.items():
            found.parameters[name][smallest] = value[0]
    return found


def _polished(
    model: HasGradients,
    pixels: Tensor,
    family: Family,
    found: Inverted,
    target: int,
    weight: float,
    generator: torch.Generator,
    search: Search,
) -> Parameters:
    """One trigger, sought on from where its search ended, on inputs of other classes; the smallest that met the goal."""
    own = {name: value[[target]].clone().requires_grad_() for name, value in found.parameters.items()}
    best, least = {name: value.detach().clone() for name, value in own.items()}, float(found.size[target])
    optimiser = torch.optim.Adam(list(own.values()), lr=search.learning_rate / 2, betas=(0.5, 0.9))
    n, hits, tries = len(pixels), 0, 0
    order = torch.randperm(n, generator=generator)
    for step in range(1, search.polish + 1):
        rows, order = next_rows(order, min(2 * search.batch, n), n, generator)
        stamped = family.stamp(own, pixels[rows])
        logits, size = model.logits(stamped[0]), family.size(own, stamped - pixels[rows])[0]
        wanted = torch.full((len(rows),), target, device=pixels.device)
        optimiser.zero_grad(set_to_none=True)
        (F.cross_entropy(logits, wanted) + weight * size).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        _leave_out_what_is_no_number(own)
        optimiser.step()
        hits, tries = hits + int((logits.argmax(1) == wanted).sum()), tries + len(rows)
        if step % _POLISH_WINDOW == 0:
            works = hits >= search.goal * tries
            if works and size < least:
                best, least = {name: value.detach().clone() for name, value in own.items()}, float(size.detach())
            weight *= _GENTLY if works else _GENTLY**-1.5
            hits = tries = 0
    return best


def _leave_out_what_is_no_number(parameters: Parameters) -> None:
    """A step that overflows would spoil a trigger for good: where a slope is not finite, it is taken as flat."""
    for value in parameters.values():
        if value.grad is not None:
            value.grad.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)


def next_rows(order: Tensor, b: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The next `b` rows of an order that is drawn anew when it is used up."""
    while len(order) < b:
        order = torch.cat([order, torch.randperm(n, generator=generator)])
    return order[:b], order[b:]


@dataclass(slots=True, kw_only=True, eq=False)
class Schedule:
    """What is known of each class while it is searched for. All arrays are (k,)."""

    best: dict[str, Tensor]
    size: NDArray[np.float64]
    success: NDArray[np.float64]
    weight: NDArray[np.float64]
    searching: NDArray[np.bool_]
    steps: NDArray[np.int64]
    hits: NDArray[np.float64]
    tries: NDArray[np.float64]
    still: NDArray[np.int64]
    low: NDArray[np.float64]
    roughly_still: NDArray[np.int64]
    rough_low: NDArray[np.float64]
    rose: NDArray[np.bool_]
    fell: NDArray[np.bool_]
    now: NDArray[np.float64]

    @classmethod
    def of(cls, parameters: Parameters, k: int, weight: float, targets: Sequence[int] | None = None) -> "Schedule":
        """At the beginning: nothing found, of k classes these sought, or all where None, sizes of this weight."""
        return cls(
            best={name: value.detach().clone() for name, value in parameters.items()},
            size=np.full(k, np.inf),
            success=np.zeros(k),
            weight=np.full(k, weight),
            searching=np.ones(k, dtype=bool) if targets is None else np.isin(np.arange(k), targets),
            steps=np.zeros(k, dtype=np.int64),
            hits=np.zeros(k),
            tries=np.zeros(k),
            still=np.zeros(k, dtype=np.int64),
            low=np.full(k, np.inf),
            roughly_still=np.zeros(k, dtype=np.int64),
            rough_low=np.full(k, np.inf),
            rose=np.zeros(k, dtype=bool),
            fell=np.zeros(k, dtype=bool),
            now=np.full(k, np.inf),
        )

    def count(self, active: Tensor, hits: Tensor, tries: Tensor, sizes: Tensor) -> None:
        """What the triggers of the active classes, (m,), did in a step, and how large they are."""
        rows = active.cpu().numpy()
        self.hits[rows] += hits.cpu().numpy()
        self.tries[rows] += tries.cpu().numpy()
        found = sizes.cpu().numpy()
        self.now[rows] = np.where(np.isfinite(found), found, self.now[rows])

    def judge(self, parameters: Parameters, search: Search, step: int) -> None:
        """At the end of a window: keep what is smaller and works, move the weights, retire the classes that are done."""
        share = np.divide(self.hits, self.tries, out=np.zeros_like(self.hits), where=self.tries > 0)
        works = self.searching & (share >= search.goal)
        better = works & (self.now < self.size)
        for row in np.flatnonzero(better):
            for name, value in parameters.items():
                self.best[name][row] = value.detach()[row]
        self.size[better], self.success[better] = self.now[better], share[better]
        never = self.searching & np.isinf(self.size)
        self.success[never] = share[never]
        # The weight moves at each window, so that it finds the edge of what works in few of them.
        self.weight[works] *= _UP
        failed = self.searching & ~works
        self.weight[failed] /= _DOWN
        self.rose |= works
        self.fell |= failed & np.isfinite(self.size)
        self.still = np.where(self.size < _STILL * self.low, 0, self.still + 1)
        self.roughly_still = np.where(self.size < _ROUGHLY_STILL * self.rough_low, 0, self.roughly_still + 1)
        self.low, self.rough_low = np.minimum(self.low, self.size), np.minimum(self.rough_low, self.size)
        settled = self.rose & self.fell & (self.still >= search.patience)
        usual = np.argsort(np.argsort(self.size, kind="stable")) >= search.finalists
        done = self.searching & np.isfinite(self.size) & (settled | (usual & (self.roughly_still >= _ROUGH_PATIENCE)))
        self.searching &= ~done
        self.steps[done] = step
        self.hits[:] = self.tries[:] = 0

    def result(self, parameters: Parameters, steps: int) -> Inverted:
        """The smallest trigger of each class; where none worked, what its search ended with."""
        never = np.isinf(self.size)
        for row in np.flatnonzero(never):
            for name, value in parameters.items():
                self.best[name][row] = value.detach()[row]
        return Inverted(
            parameters=self.best,
            size=np.where(never, self.now, self.size),
            success=self.success,
            steps=np.where(self.searching, steps, self.steps),
        )
