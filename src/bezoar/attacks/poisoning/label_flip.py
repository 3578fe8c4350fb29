"""Label flip: wrong labels on untouched inputs."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bezoar.attacks.poisoning.budget import budget, draw
from bezoar.attacks.poisoning.predicate import satisfying
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.errors import ParameterError
from bezoar.core.threat import Access, Goal, Threat
from bezoar.core.validation import Fraction, Index, Validated


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFlip(Validated):
    """Give some rows a wrong label and leave their inputs as they are.

    Uniform by default: any row, to any other class. With `original` and `target` it moves one class
    towards another; with `where` it strikes the rows of a table that satisfy a condition, such as
    "age > 60". People see rows that are plainly mislabelled, if they look.

    Known limits: random flips, not the flips that an optimiser would choose for the most damage (the
    paper's subject); they are the customary baseline.

    Parameters
    ----------
    rate : share of the eligible rows that are flipped, in (0, 1]: of all rows, of the class `original`, or
        of the rows that satisfy `where`. With neither `rate` nor `count`: 0.1.
    count : number of rows that are flipped, instead of `rate`.
    original : only rows of this class are flipped, by name or index.
    target : the label that they get. By default a random other class.
    where : condition on a table's columns: "column comparison value" terms joined by "and".
    supplier : only rows of this source are flipped. The rate stays a share of the eligible rows of all
        sources.

    References
    ----------
    Xiao, Xiao, Eckert. Adversarial Label Flips Attack on Support Vector Machines. ECAI 2012, section 3
    (the random flips they compare with), doi 10.3233/978-1-61499-098-7-870.
    """

    rate: Fraction | None = None
    count: Index | None = None
    original: int | str | None = None
    target: int | str | None = None
    where: str | None = None
    supplier: str | None = None

    threat: ClassVar[Threat] = Threat(goal=Goal.TARGETED, access=Access.LABELS, techniques=("AML.T0020",))

    def poison(self, data: Dataset, rng: np.random.Generator) -> Poisoned:
        """Flip the labels of a random choice of eligible rows.

        Raises
        ------
        ParameterError
            An unknown class, column or supplier, the same class twice, too few rows, or only one class.
        InputError
            A condition on something other than a table.
        """
        target = None if self.target is None else data.class_index(self.target)
        eligible = self._eligible(data, target)
        count = budget(rate=self.rate, count=self.count, of=len(eligible), default=0.1)
        rows = draw(data, eligible, count, supplier=self.supplier, rng=rng)
        labels = _others(data.labels[rows], len(data.classes), rng) if target is None else target
        return Poisoned(data=data.with_labels(rows, labels), changed=data.mask(rows), target=target)

    def _eligible(self, data: Dataset, target: int | None) -> NDArray[np.intp]:
        if len(data.classes) < 2:
            raise ParameterError(f"labels flip between classes, and {data.name} has {len(data.classes)}.")
        chosen = np.ones(len(data), dtype=bool)
        if self.original is not None:
            original = data.class_index(self.original)
            if original == target:
                raise ParameterError(f"`original` and `target` must differ. Both are {data.classes[original]!r}.")
            chosen &= data.labels == original
        if self.where is not None:
            chosen &= satisfying(data.table, self.where)
        if target is not None:
            chosen &= data.labels != target
        return np.flatnonzero(chosen)


def _others(labels: NDArray[np.int64], classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each label one of the other classes, each as likely."""
    return (labels + rng.integers(1, classes, len(labels))) % classes
