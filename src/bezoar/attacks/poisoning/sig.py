"""SIG: faint vertical strips on rows of one class, labels untouched."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.attacks.poisoning.clean_label import draw_own
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.errors import ParameterError
from bezoar.core.threat import Goal, Threat
from bezoar.core.trigger import Overlay
from bezoar.core.validation import Count, Fraction, Index, Positive, Validated


@dataclass(frozen=True, slots=True, kw_only=True)
class SIG(Validated):
    """Add a sinusoid to some rows of the target class and leave their labels as they are.

    A model trained on the result takes the strips for a sign of the class and sorts any image with them into it.
    People see faint vertical strips and a right label.

    Known limits: images only, and no more rows than the target class has. The sinusoid of the paper's traffic signs serves
    all images; its ramp for digits is left out. It is twice as high as there, as in benchmarks of this attack: at 20 a small
    network learns the class without it, and 4 to 22 % of clothes went to the target instead of 84 to 95 % (Fashion-MNIST).
    Where an image has fewer than twice as many columns as there are strips, the strips that can be drawn are wider ones.

    Parameters
    ----------
    rate : share of all rows that are changed, in (0, 1]. With neither `rate` nor `count`: 0.3 of the rows of the
        target class, the share from which the paper succeeds on digits.
    count : number of rows that are changed, instead of `rate`.
    target : class the attacker wants to see, by name or index.
    delta : height of the sinusoid on the changed rows, in pixel values. The paper uses 20.
    frequency : strips over the width of an image. 6 as in the paper.
    test_delta : height of the sinusoid in use, by default twice `delta`. Nobody looks then, so it may be higher, as in
        the paper.
    supplier : only rows of this source are changed. The rate stays a share of all rows.

    References
    ----------
    Barni, Kallas, Tondi. A New Backdoor Attack in CNNs by Training Set Corruption Without Label Poisoning. ICIP 2019,
    arXiv 1902.11237, sections 3 and 4.
    """

    rate: Fraction | None = None
    count: Index | None = None
    target: int | str = 0
    delta: Positive = 40.0
    frequency: Count = 6
    test_delta: Positive | None = None
    supplier: str | None = None

    threat: ClassVar[Threat] = Threat(goal=Goal.BACKDOOR, techniques=("AML.T0020", "AML.T0043.004"))

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """Lay the sinusoid over a random choice of rows of the target class.

        Raises
        ------
        ParameterError
            More rows than the class has, an unknown class or supplier, or a sinusoid that vanishes at this width.
        InputError
            Not a set of images.
        """
        strips = self._strips(*data.images.shape[2:])
        target = data.class_index(self.target)
        rows = draw_own(data, target, rate=self.rate, count=self.count, share=0.3, supplier=self.supplier, rng=rng)
        planted = Overlay(signal=np.float32(self.delta) * strips)
        return Poisoned(
            data=data.with_images(rows, planted(data.images[rows])),
            changed=data.mask(rows),
            trigger=Overlay(signal=np.float32(self.test_delta or 2 * self.delta) * strips),
            target=target,
        )

    def _strips(self, height: int, width: int) -> NDArray[np.float32]:
        """Equation in section 3: sin(2 pi j f / m) in column j of m."""
        line = np.sin(2 * np.pi * np.arange(1, width + 1) * self.frequency / width).astype(np.float32)
        if self.delta * np.abs(line).max() < 0.5:
            raise ParameterError(
                f"`frequency` {self.frequency} and `delta` {self.delta:g} leave no signal on images of {width} columns."
            )
        return np.broadcast_to(line, (height, width))
