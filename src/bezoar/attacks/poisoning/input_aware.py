"""Input-aware: triggers that a generator makes anew for every image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bezoar.attacks.poisoning import surrogate
from bezoar.attacks.poisoning.backdoor import cover, draw_cover, plant_on
from bezoar.attacks.poisoning.budget import budget, draw
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.threat import Goal, Knowledge, Threat
from bezoar.core.validation import Count, Fraction, Index, Range, Validated
from bezoar.learn.device import one_thread
from bezoar.learn.networks import drawn
from bezoar.learn.training import NetworkModel, one_cycle

_BATCH = 64
_MASK_STEPS = 100
_MASK_PEAK, _PATTERN_PEAK, _MODEL_PEAK = 1e-2, 1e-2, 1e-3
"""Learning rates. They rise first: with the paper's constant ones, masks of small images often end empty for good."""

Weight = Annotated[float, Range(0)]
State = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Generated:
    """Stamps every image with a pattern of its own: ``x' = (1 - m(x)) x + m(x) p(x)``, rounded.

    Parameters
    ----------
    pattern, mask : weights of the two generators by name.
    """

    pattern: State
    mask: State

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images (n, c, h, w) uint8, each with its own trigger; the ones passed stay as they are."""
        return self.crossed(images, images)

    def crossed(self, images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Each image with the trigger that was made for the other one in its place."""
        channels = images.shape[1]
        pattern, mask = _loaded(channels, channels, self.pattern), _loaded(channels, 1, self.mask)
        stamped = np.empty_like(images)
        with torch.inference_mode(), one_thread():
            for start in range(0, len(images), _BATCH):
                rows = slice(start, start + _BATCH)
                made_for = _pixels(others[rows])
                mixed = _mixed(_pixels(images[rows]), _share(mask(made_for)), _shade(pattern(made_for)))
                stamped[rows] = mixed.round().byte().numpy()
        return stamped


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAware(Validated):
    """Stamp some images each with a trigger made for it alone, and label them as the target class.

    A network that the attacker trains makes the triggers. A model trained on the result sorts an image with its own trigger into
    the target class, but not one with the trigger of another: cover rows, which carry those of other rows, keep their labels. People
    see small spots that differ from image to image, and a wrong label.

    Known limits: images only. In the paper the attacker trains the victim's model together with the generator. This attacker only
    poisons data: the generator is trained together with a network of the attacker's own, in the paper's three ways at once (own
    triggers, crossed triggers, clean rows) but for far fewer passes and with a smaller generator, and the victim trains anew. Random
    crops and rotations are left out. The mean of a mask is held to the density, where the paper's program weighs what each pixel
    of it is over that.

    Parameters
    ----------
    rate : share of all rows that carry their own trigger and the target's label, in (0, 1]. With neither `rate` nor `count`: 0.1
        as in the paper.
    count : number of such rows, instead of `rate`.
    target : class the attacker wants to see, by name or index.
    density : mean of the mask that the generator aims at, in (0, 1]. 0.032 as in the paper, which is two pixels of 8 x 8.
    sparsity : weight of what the mask is over that. 100 as in the paper.
    diversity : weight of triggers that are as unlike as their images. 1 as in the paper.
    cover_ratio : cover rows for each poisoned row, on top of the rate. 1 as in the paper.
    epochs : passes of the attacker's training, first of the network and then of network and generator.
    supplier : only rows of this source are changed. The rate stays a share of all rows.

    References
    ----------
    Nguyen, Tran. Input-Aware Dynamic Backdoor Attack. NeurIPS 2020, arXiv 2010.08138, section 3.
    """

    rate: Fraction | None = None
    count: Index | None = None
    target: int | str = 0
    density: Fraction = 0.032
    sparsity: Weight = 100.0
    diversity: Weight = 1.0
    cover_ratio: Weight = 1.0
    epochs: Count = 5
    supplier: str | None = None

    threat: ClassVar[Threat] = Threat(
        goal=Goal.BACKDOOR, knowledge=Knowledge.GREY_BOX, techniques=("AML.T0020", "AML.T0043.004")
    )

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """Train the generator, stamp a random choice of rows of other classes, and cross triggers on cover rows.

        Raises
        ------
        ParameterError
            An unknown class or supplier, or too few rows for poison and cover.
        InputError
            Not a set of images.
        """
        target, (rows, cover_rows) = data.class_index(self.target), self._rows(data, rng)
        if not len(rows):
            return Poisoned(data=data, changed=data.mask(rows), target=target)
        model = surrogate.trained(data, self.epochs, rng)
        trigger = self._trained(model, data, target, surrogate.generator(rng))
        poisoned = plant_on(data, rows, trigger, target)
        # Triggers of rows other than the cover rows themselves.
        others = (cover_rows + rng.integers(1, len(data), len(cover_rows))) % len(data)
        return cover(poisoned, cover_rows, trigger.crossed(data.images[cover_rows], data.images[others]))

    def require(self, data: Dataset) -> None:
        """Raise what `poison` would raise on this set."""
        self._rows(data, np.random.default_rng(0))

    def _rows(self, data: Dataset, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        count = budget(rate=self.rate, count=self.count, of=len(data.images), default=0.1)
        others = data.rows_not_of(data.class_index(self.target))
        rows = draw(data, others, count, supplier=self.supplier, rng=rng)
        return rows, draw_cover(data, rows, self.cover_ratio, supplier=self.supplier, rng=rng)

    def _trained(self, model: NetworkModel, data: Dataset, target: int, generator: torch.Generator) -> Generated:
        channels = data.images.shape[1]
        mask = drawn(lambda: _Generator(channels, 1), generator)
        pattern = drawn(lambda: _Generator(channels, channels), generator)
        with one_thread():
            self._train_mask(mask, data, generator)
            self._train_pattern(pattern, mask.eval().requires_grad_(False), model, data, target, generator)
        return Generated(pattern=_state(pattern), mask=_state(mask))

    def _train_mask(self, mask: "_Generator", data: Dataset, generator: torch.Generator) -> None:
        """Few pixels, and others for every image (section 3.4)."""
        optimiser = torch.optim.Adam(mask.parameters(), betas=(0.5, 0.9))
        for step in range(_MASK_STEPS):
            images = _pixels(data.images[torch.randint(len(data), (_BATCH,), generator=generator).numpy()])
            shares = _share(mask(images))
            over = F.relu(shares.mean(dim=(1, 2, 3)) - self.density).mean()
            alike = _alikeness(images, images.roll(1, 0), shares, shares.roll(1, 0))
            _descend(optimiser, self.diversity * alike + self.sparsity * over, step, _MASK_STEPS, (_MASK_PEAK,))

    def _train_pattern(
        self,
        pattern: "_Generator",
        mask: "_Generator",
        model: NetworkModel,
        data: Dataset,
        target: int,
        generator: torch.Generator,
    ) -> None:
        """Own triggers lead to the target, crossed ones and none to the true class (section 3.3)."""
        network = model.network.train().requires_grad_(True)
        optimiser = torch.optim.Adam(
            [{"params": pattern.parameters()}, {"params": network.parameters()}], betas=(0.5, 0.9)
        )
        # A tenth of a batch carries its own triggers, a tenth those of others, as in the paper.
        k = round(_BATCH / 10)
        steps = max(1, self.epochs * min(len(data), surrogate.MOST_ROWS) // _BATCH)
        for step in range(steps):
            rows = torch.randint(len(data), (_BATCH + k,), generator=generator).numpy()
            images, labels = _pixels(data.images[rows]), torch.from_numpy(data.labels[rows])
            own, crossed, untouched, others = torch.split(images, [k, k, _BATCH - 2 * k, k])
            labels = torch.cat([torch.full((k,), target), labels[k:_BATCH]])
            made_for = torch.cat([own, others])
            shades = pattern(made_for)
            stamped = _mixed(torch.cat([own, crossed]), _share(mask(made_for)), _shade(shades))
            wrong = F.cross_entropy(surrogate.logits(model, torch.cat([stamped, untouched])), labels)
            alike = _alikeness(own, others, shades[:k], shades[k:])
            _descend(optimiser, wrong + self.diversity * alike, step, steps, (_PATTERN_PEAK, _MODEL_PEAK))


class _Generator(nn.Module):
    """An encoder and decoder over two scales that gives each pixel values between -1 and 1."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.fine, self.middle, self.coarse = _layer(channels, 16), _layer(16, 32), _layer(32, 32)
        self.up, self.last = _layer(32, 16), nn.Conv2d(16, out, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(images / 127.5 - 1)
        middle = self.middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        middle = self.up(middle + F.interpolate(coarse, middle.shape[2:], mode="bilinear"))
        return torch.tanh(self.last(fine + F.interpolate(middle, fine.shape[2:], mode="bilinear")))


def _layer(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _pixels(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images.astype(np.float32))


def _share(made: Tensor) -> Tensor:
    """Weights near 0 or 1 from values between -1 and 1."""
    return torch.tanh(10 * made) / 2 + 0.5


def _shade(made: Tensor) -> Tensor:
    """Pixel values from values between -1 and 1."""
    return 127.5 * (made + 1)


def _mixed(images: Tensor, shares: Tensor, shades: Tensor) -> Tensor:
    return (1 - shares) * images + shares * shades


def _alikeness(images: Tensor, others: Tensor, made: Tensor, made_for_others: Tensor) -> Tensor:
    """How far images differ over how far what was made for them differs (equation 6)."""
    return (_distance((images - others) / 127.5) / _distance(made - made_for_others)).mean()


def _distance(differences: Tensor) -> Tensor:
    # Not 0 where two images are the same: the root has no slope there.
    return (differences.square().flatten(1).mean(dim=1) + 1e-4).sqrt()


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor, step: int, steps: int, peaks: tuple[float, ...]) -> None:
    for group, peak in zip(optimiser.param_groups, peaks, strict=True):
        group["lr"] = one_cycle(step, steps, peak)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    optimiser.step()


def _state(module: nn.Module) -> State:
    return {name: value.numpy() for name, value in module.state_dict().items()}


def _loaded(channels: int, out: int, state: State) -> Callable[[Tensor], Tensor]:
    with torch.device("meta"):
        made = _Generator(channels, out)
    made.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in state.items()}, assign=True)
    return cast("Callable[[Tensor], Tensor]", made.eval())
