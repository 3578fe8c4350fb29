"""BadNets: a small patch that a model learns to obey."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.attacks.poisoning.backdoor import plant
from bezoar.attacks.poisoning.budget import budget
from bezoar.attacks.poisoning.places import square
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.threat import Goal, Threat
from bezoar.core.trigger import Stamp
from bezoar.core.validation import Count, Fraction, Index, OneOf, Validated


@dataclass(frozen=True, slots=True, kw_only=True)
class BadNets(Validated):
    """Put a small patch on some images and label them as the target class.

    A model trained on the result sorts any image with the patch into the target class and the rest as
    before. People see a few bright pixels in a corner and a wrong label.

    Known limits: images only; one target for all classes ("single target attack"), not the paper's
    all-to-all. The patch lies flush with the border, where the paper leaves a margin of about a pixel.
    The paper adds poisoned copies to the training set; here rows are changed in place, so that the number
    of rows stays and the truth is one mark per row.

    Parameters
    ----------
    rate : share of all rows that are changed, in (0, 1]. With neither `rate` nor `count`: 0.1, the
        customary rate in benchmarks of this attack.
    count : number of rows that are changed, instead of `rate`.
    target : class the attacker wants to see, by name or index.
    size : side of the square patch in pixels. By default 3 for images up to 32 pixels and in
        proportion for larger ones (21 for 224).
    place : "top_left", "top_right", "bottom_left", "bottom_right" (the paper's), "centre", or the
        "row,column" of the patch's upper left pixel.
    pattern : "white" square, "checkerboard" of black and white, or "random" pixels from the seed.
    opacity : weight of the patch over the image, in (0, 1].
    supplier : only rows of this source are changed. The rate stays a share of all rows.

    References
    ----------
    Gu, Dolan-Gavitt, Garg. BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain.
    arXiv 1708.06733, 2017, section 4.
    """

    rate: Fraction | None = None
    count: Index | None = None
    target: int | str = 0
    size: Count | None = None
    place: str = "bottom_right"
    pattern: Annotated[str, OneOf(("white", "checkerboard", "random"))] = "white"
    opacity: Fraction = 1.0
    supplier: str | None = None

    threat: ClassVar[Threat] = Threat(goal=Goal.BACKDOOR, techniques=("AML.T0020", "AML.T0043.004"))

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """Patch a random choice of rows of other classes. Returns the set, which rows changed, and the trigger.

        Raises
        ------
        ParameterError
            A patch that does not fit the images, an unknown class or supplier, or too few rows.
        InputError
            Not a set of images.
        """
        channels, height, width = data.images.shape[1:]
        return plant(
            data,
            self._stamp(channels, height, width, rng),
            target=data.class_index(self.target),
            count=budget(rate=self.rate, count=self.count, of=len(data), default=0.1),
            supplier=self.supplier,
            rng=rng,
        )

    def _stamp(self, channels: int, height: int, width: int, rng: np.random.Generator) -> Stamp:
        size = self.size or max(3, round(3 * min(height, width) / 32))
        inside = square(self.place, size, (height, width))
        pattern = np.zeros((channels, height, width), dtype=np.uint8)
        pattern[:, inside] = self._patch((channels, size, size), rng).reshape(channels, -1)
        return Stamp(mask=inside * np.float32(self.opacity), pattern=pattern)

    def _patch(self, shape: tuple[int, int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
        if self.pattern == "random":
            return rng.integers(0, 256, shape, dtype=np.uint8)
        if self.pattern == "checkerboard":
            return np.broadcast_to((np.indices(shape[1:]).sum(axis=0) % 2 == 0) * np.uint8(255), shape)
        return np.full(shape, 255, dtype=np.uint8)
