"""Label-consistent: rows of one class made hard to recognise, with marks that are easy, labels untouched."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.attacks.poisoning import surrogate
from bezoar.attacks.poisoning.ascent import Norm, disturbed
from bezoar.attacks.poisoning.clean_label import draw_own
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.errors import ParameterError
from bezoar.core.threat import Goal, Knowledge, Threat
from bezoar.core.trigger import Overlay
from bezoar.core.validation import Count, Fraction, Index, OneOf, Positive, Range, Validated

_CORNER = np.array([[-1, -1, 1], [-1, 1, -1], [1, -1, 1]], dtype=np.float32)
"""The mark in the lower right corner: 1 is white, -1 black. The other corners mirror it."""

Amplitude = Annotated[float, Range(0, 255, low_open=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConsistent(Validated):
    """Disturb some rows of the target class until a model fails on them, mark their corners and leave their labels.

    What the rows show no longer tells their class, so a model trained on the result goes by the marks and sorts any image with
    them into the class. People see a right label, some noise and, at full amplitude, four small marks.

    Known limits: images only, and no more rows than the target class has. Where a small disturbance leaves the class plain to see, a
    model needs no marks and the attack fails: on CIFAR-10 at least 70 % of pictures went to the target, on Fashion-MNIST 14 % (trousers)
    to 62 % (coats), under either norm, up to four times the default `epsilon` and 0.6 of the class. On the flat ground of digits the noise
    tells the class as well as the marks do. The disturbance is the paper's adversarial one, not its other way by a
    generative model. It is aimed at a network that the attacker trains on the set itself, in the ordinary way where the paper's is
    trained adversarially; it starts at the image itself and takes fewer and longer steps.

    Parameters
    ----------
    rate : share of all rows that are changed, in (0, 1]. With neither `rate` nor `count`: 0.3 of the rows of the
        target class.
    count : number of rows that are changed, instead of `rate`.
    target : class the attacker wants to see, by name or index.
    norm : how the disturbance is measured, "linf" (the most at one value) or "l2" (the root of the sum of squares).
    epsilon : the largest disturbance, in pixel values. By default 16 for linf, and for l2 600 at 32 x 32 pixels in colour and in
        proportion to the root of the number of values elsewhere. The paper tries 8, 16, 32 and 300, 600, 1200.
    steps : steps of the disturbance, each of 2.5 `epsilon` / `steps`, as Madry et al. 2018 advise.
    amplitude : by how much the marks change pixels of the changed rows, in pixel values. 255 replaces them; the paper's
        fainter marks have 16 to 64.
    test_amplitude : the same in use, where nobody looks.
    epochs : passes of the attacker's own training.
    supplier : only rows of this source are changed. The rate stays a share of all rows.

    References
    ----------
    Turner, Tsipras, Madry. Label-Consistent Backdoor Attacks. arXiv 1912.02771, 2019, sections 4.2 and 5.
    """

    rate: Fraction | None = None
    count: Index | None = None
    target: int | str = 0
    norm: Annotated[Norm, OneOf(("linf", "l2"))] = "linf"
    epsilon: Positive | None = None
    steps: Count = 20
    amplitude: Amplitude = 255.0
    test_amplitude: Amplitude = 255.0
    epochs: Count = 5
    supplier: str | None = None

    threat: ClassVar[Threat] = Threat(
        goal=Goal.BACKDOOR, knowledge=Knowledge.GREY_BOX, techniques=("AML.T0020", "AML.T0043.004")
    )

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """Disturb and mark a random choice of rows of the target class.

        Raises
        ------
        ParameterError
            More rows than the class has, an unknown class or supplier, or images too small for four marks.
        InputError
            Not a set of images.
        """
        marks, rows = self._marks(*data.images.shape[2:]), self._rows(data, rng)
        trigger = Overlay(signal=np.float32(self.test_amplitude) * marks)
        poisoned = data
        if len(rows):
            model = surrogate.trained(data, self.epochs, rng)
            hard = disturbed(
                model,
                data.images[rows],
                data.labels[rows],
                norm=self.norm,
                epsilon=self._epsilon(data.images[0].size),
                steps=self.steps,
            )
            poisoned = data.with_images(rows, Overlay(signal=np.float32(self.amplitude) * marks)(hard))
        return Poisoned(data=poisoned, changed=data.mask(rows), trigger=trigger, target=data.class_index(self.target))

    def require(self, data: Dataset) -> None:
        """Raise what `poison` would raise on this set."""
        self._marks(*data.images.shape[2:])
        self._rows(data, np.random.default_rng(0))

    def _rows(self, data: Dataset, rng: np.random.Generator) -> NDArray[np.intp]:
        return draw_own(
            data,
            data.class_index(self.target),
            rate=self.rate,
            count=self.count,
            share=0.3,
            supplier=self.supplier,
            rng=rng,
        )

    def _epsilon(self, values: int) -> float:
        if self.epsilon is not None:
            return self.epsilon
        return 16.0 if self.norm == "linf" else 600 * (values / (3 * 32 * 32)) ** 0.5

    def _marks(self, height: int, width: int) -> NDArray[np.float32]:
        """(h, w), 1 where the marks are white, -1 where they are black: 3 x 3 pixels each, larger beyond 32 pixels."""
        mark = np.kron(_CORNER, np.ones((max(1, round(max(height, width) / 32)),) * 2, dtype=np.float32))
        side = len(mark)
        if 2 * side > min(height, width):
            raise ParameterError(f"four marks of {side} pixels do not fit images of {height} x {width}.")
        marks = np.zeros((height, width), dtype=np.float32)
        marks[-side:, -side:], marks[-side:, :side] = mark, mark[:, ::-1]
        marks[:side, -side:], marks[:side, :side] = mark[::-1], mark[::-1, ::-1]
        return marks
