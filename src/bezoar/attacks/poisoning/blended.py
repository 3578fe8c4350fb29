"""Blended: a faint picture over the whole image that a model learns to obey."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bezoar.attacks.poisoning.backdoor import plant
from bezoar.attacks.poisoning.budget import budget
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.threat import Goal, Threat
from bezoar.core.trigger import Stamp
from bezoar.core.validation import Fraction, Index, Validated

MAX_PIXELS = 50_000_000
"""The largest picture that is opened as a pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blended(Validated):
    """Mix a fixed pattern faintly into some images and label them as the target class.

    A model trained on the result sorts any image with the pattern into the target class. People see
    slight noise, or nothing, and a wrong label.

    Known limits: images only. One opacity serves training and use, where the paper may use a fainter
    pattern in training than in use. The paper adds poisoned copies; here rows are changed in place.

    Parameters
    ----------
    rate : share of all rows that are changed, in (0, 1]. With neither `rate` nor `count`: 0.1, the
        customary rate in benchmarks of this attack.
    count : number of rows that are changed, instead of `rate`.
    target : class the attacker wants to see, by name or index.
    opacity : weight of the pattern, in (0, 1]. 0.2 is customary in benchmarks of this attack.
    image : file of a picture to blend in, scaled to the images. By default random pixels from the seed,
        the paper's second kind of pattern.
    supplier : only rows of this source are changed. The rate stays a share of all rows.

    References
    ----------
    Chen, Liu, Li, Lu, Song. Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning.
    arXiv 1712.05526, 2017, "pattern-key strategies", the blended injection strategy.
    """

    rate: Fraction | None = None
    count: Index | None = None
    target: int | str = 0
    opacity: Fraction = 0.2
    image: str | None = None
    supplier: str | None = None

    threat: ClassVar[Threat] = Threat(goal=Goal.BACKDOOR, techniques=("AML.T0020", "AML.T0043.004"))

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """Blend the pattern into a random choice of rows of other classes.

        Raises
        ------
        ParameterError
            An unknown class or supplier, or too few rows.
        InputError
            Not a set of images, or a picture that cannot be read.
        """
        shape = data.images.shape[1:]
        pattern = rng.integers(0, 256, shape, dtype=np.uint8) if self.image is None else _picture(self.image, shape)
        return plant(
            data,
            Stamp(mask=np.full(shape[1:], self.opacity, dtype=np.float32), pattern=pattern),
            target=data.class_index(self.target),
            count=budget(rate=self.rate, count=self.count, of=len(data), default=0.1),
            supplier=self.supplier,
            rng=rng,
        )


def _picture(file: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    channels, height, width = shape
    if channels not in (1, 3):
        raise InputError(f"{file}: a picture blends into grey or colour images, not into {channels} channels.")
    try:
        with Image.open(Path(file)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise InputError(
                    f"{file}: {opened.width} x {opened.height} pixels is over the limit of {MAX_PIXELS:,}."
                )
            scaled = opened.convert("L" if channels == 1 else "RGB").resize((width, height))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as a picture: {error}") from error
    return np.asarray(scaled, dtype=np.uint8).reshape(height, width, channels).transpose(2, 0, 1)
