"""TrojanNN: a patch made to excite neurons that speak for the target class."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from bezoar.attacks.poisoning import surrogate
from bezoar.attacks.poisoning.backdoor import plant_on
from bezoar.attacks.poisoning.budget import budget, draw
from bezoar.attacks.poisoning.places import square
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.threat import Goal, Knowledge, Threat
from bezoar.core.trigger import Stamp
from bezoar.core.validation import Count, Fraction, Index, Positive, Validated
from bezoar.learn.device import one_thread
from bezoar.learn.training import NetworkModel

_BATCH = 64
"""Rows on which the patch is tried in each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrojanNN(Validated):
    """Put a patch on some images that excites chosen neurons of a model, and label them as the target class.

    The neurons are those that speak most for the target, so a model learns to obey the patch from few rows. People see a
    square of odd colours and a wrong label.

    Known limits: images only. The paper is given a model, retrains it and needs no data: it invents its rows by inverting
    the model. This attacker has the data instead, so no row is invented, and the victim trains anew; the model that the
    patch is made for is one that the attacker trains on the set. Neurons of the last hidden layer are ranked by their weight
    for the target, where the paper takes those with the heaviest weights from the layer before. The patch is tried on rows of
    the set, not on an empty image. A patch that excites one model's neurons may turn a clean model of the same kind as well.

    Parameters
    ----------
    rate : share of all rows that are changed, in (0, 1]. With neither `rate` nor `count`: 0.1, the customary rate
        in benchmarks of this attack.
    count : number of rows that are changed, instead of `rate`.
    target : class the attacker wants to see, by name or index.
    size : side of the square patch in pixels. By default a patch of 7 % of the image, as in the paper, but at least 3.
    place : "top_left", "top_right", "bottom_left", "bottom_right", "centre", or the "row,column" of the patch's upper left
        pixel.
    neurons : how many are excited. The paper takes one.
    steps : steps of Adam that shape the patch.
    learning_rate : of these steps, in pixel values.
    epochs : passes of the attacker's own training.
    supplier : only rows of this source are changed. The rate stays a share of all rows.

    References
    ----------
    Liu, Ma, Aafer, Lee, Zhai, Wang, Zhang. Trojaning Attack on Neural Networks. NDSS 2018, sections IV.A and V,
    doi 10.14722/ndss.2018.23291.
    """

    rate: Fraction | None = None
    count: Index | None = None
    target: int | str = 0
    size: Count | None = None
    place: str = "bottom_right"
    neurons: Count = 1
    steps: Count = 100
    learning_rate: Positive = 10.0
    epochs: Count = 5
    supplier: str | None = None

    threat: ClassVar[Threat] = Threat(
        goal=Goal.BACKDOOR, knowledge=Knowledge.GREY_BOX, techniques=("AML.T0020", "AML.T0043.004")
    )

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """Shape the patch on a model of its own and put it on a random choice of rows of other classes.

        Raises
        ------
        ParameterError
            A patch that does not fit the images, an unknown class or supplier, or too few rows.
        InputError
            Not a set of images.
        """
        inside, target = self._inside(data), data.class_index(self.target)
        rows = self._rows(data, rng)
        if not len(rows):
            return Poisoned(data=data, changed=data.mask(rows), target=target)
        model = surrogate.trained(data, self.epochs, rng)
        pattern = self._shaped(model, data.images, inside, target, rng)
        return plant_on(data, rows, Stamp(mask=inside.astype(np.float32), pattern=pattern), target)

    def require(self, data: Dataset) -> None:
        """Raise what `poison` would raise on this set."""
        self._inside(data)
        self._rows(data, np.random.default_rng(0))

    def _inside(self, data: Dataset) -> NDArray[np.bool_]:
        height, width = data.images.shape[2:]
        return square(self.place, self.size or max(3, round((0.07 * height * width) ** 0.5)), (height, width))

    def _rows(self, data: Dataset, rng: np.random.Generator) -> NDArray[np.intp]:
        count = budget(rate=self.rate, count=self.count, of=len(data), default=0.1)
        return draw(data, data.rows_not_of(data.class_index(self.target)), count, supplier=self.supplier, rng=rng)

    def _shaped(
        self,
        model: NetworkModel,
        images: NDArray[np.uint8],
        inside: NDArray[np.bool_],
        target: int,
        rng: np.random.Generator,
    ) -> NDArray[np.uint8]:
        """(c, h, w) pattern under which the neurons are most active on average."""
        weights = model.network.head.weight[target]
        neurons = weights.topk(min(self.neurons, len(weights))).indices
        start = rng.uniform(0, 255, images.shape[1:]).astype(np.float32)
        pattern = torch.from_numpy(start).requires_grad_()
        optimiser = torch.optim.Adam([pattern], lr=self.learning_rate)
        box = torch.from_numpy(inside)
        with one_thread():
            for _ in range(self.steps):
                rows = rng.integers(0, len(images), _BATCH)
                stamped = torch.where(box, pattern, torch.from_numpy(images[rows].astype(np.float32)))
                optimiser.zero_grad()
                (-surrogate.features(model, stamped)[:, neurons].mean()).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                pattern.data.clamp_(0, 255)
        return pattern.detach().round().byte().numpy() * inside
