"""WaNet: a slight warp of the whole image that a model learns to obey."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bezoar.attacks.poisoning.backdoor import cover, draw_cover, plant
from bezoar.attacks.poisoning.budget import budget
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.threat import Goal, Threat
from bezoar.core.validation import Fraction, Index, Positive, Range, Validated

_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Warp:
    """Bends images of any size by one smooth field.

    Parameters
    ----------
    control : (2, k, k) float32, how far the points of a coarse grid are moved across and down.
    strength : what the movements are multiplied by. At strength 1, a movement of 1 is half a pixel.
    """

    control: NDArray[np.float32]
    strength: float

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images (n, c, h, w) uint8, bent; the ones passed stay as they are."""
        return _sampled(images, self._places(*images.shape[2:]))

    def disturbed(self, images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Images bent by the field and, each on its own, by up to half a pixel at random at every pixel."""
        height, width = images.shape[2:]
        noise = rng.uniform(-1, 1, (len(images), height, width, 2)).astype(np.float32)
        return _sampled(images, self._places(height, width) + torch.from_numpy(noise) / torch.tensor([width, height]))

    def _places(self, height: int, width: int) -> Tensor:
        """(1, h, w, 2), where each pixel is fetched from: across and down, from -1 to 1."""
        field = F.interpolate(torch.from_numpy(self.control)[None], (height, width), mode="bicubic", align_corners=True)
        down, across = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        moved = self.strength * field.permute(0, 2, 3, 1) / torch.tensor([width, height])
        return torch.stack([across, down], dim=2) + moved


@dataclass(frozen=True, slots=True, kw_only=True)
class WaNet(Validated):
    """Warp some images slightly and label them as the target class.

    A model trained on the result sorts any image that is warped in this way into the target class. People see an image as
    sharp as before and a wrong label. Cover rows are warped in other ways and keep their labels, so that the model
    learns this warp and not warping as such.

    Known limits: images only. The paper draws poisoned and cover rows anew in every batch of a training that the attacker
    runs; here they are rows of the set, as in benchmarks of this attack, and it takes more of them.

    Parameters
    ----------
    rate : share of all rows that are warped and labelled as the target, in (0, 1]. With neither `rate` nor `count`: 0.1
        as in the paper.
    count : number of such rows, instead of `rate`.
    target : class the attacker wants to see, by name or index.
    grid : points a side of the coarse grid that is moved at random. 4 as in the paper.
    strength : how far, at least 0: 1 moves by half a pixel on average. 0.5 as in the paper.
    cover_ratio : cover rows for each such row, on top of the rate. 2 as in the paper.
    supplier : only rows of this source are changed. The rate stays a share of all rows.

    References
    ----------
    Nguyen, Tran. WaNet: Imperceptible Warping-based Backdoor Attack. ICLR 2021, arXiv 2102.10369, sections 3.2 to 3.4.
    """

    rate: Fraction | None = None
    count: Index | None = None
    target: int | str = 0
    grid: Annotated[int, Range(2)] = 4
    strength: Positive = 0.5
    cover_ratio: Annotated[float, Range(0)] = 2.0
    supplier: str | None = None

    threat: ClassVar[Threat] = Threat(goal=Goal.BACKDOOR, techniques=("AML.T0020", "AML.T0043.004"))

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """Warp a random choice of rows of other classes, and disturb cover rows.

        Raises
        ------
        ParameterError
            An unknown class or supplier, or too few rows for poison and cover.
        InputError
            Not a set of images.
        """
        movement = rng.uniform(-1, 1, (2, self.grid, self.grid))
        trigger = Warp(control=(movement / np.abs(movement).mean()).astype(np.float32), strength=self.strength)
        poisoned = plant(
            data,
            trigger,
            target=data.class_index(self.target),
            count=budget(rate=self.rate, count=self.count, of=len(data), default=0.1),
            supplier=self.supplier,
            rng=rng,
        )
        changed = np.flatnonzero(poisoned.changed)
        rows = draw_cover(data, changed, self.cover_ratio, supplier=self.supplier, rng=rng)
        return cover(poisoned, rows, trigger.disturbed(data.images[rows], rng))


def _sampled(images: NDArray[np.uint8], places: Tensor) -> NDArray[np.uint8]:
    """Images fetched from `places` (1 or n, h, w, 2) between their pixels, linearly; the border stands for what is beyond."""
    bent = np.empty_like(images)
    for start in range(0, len(images), _BATCH):
        batch = torch.from_numpy(images[start : start + _BATCH].astype(np.float32))
        wanted = places.expand(len(images), -1, -1, -1)[start : start + _BATCH]
        found = F.grid_sample(batch, wanted, mode="bilinear", padding_mode="border", align_corners=True)
        bent[start : start + _BATCH] = found.round().byte().numpy()
    return bent
