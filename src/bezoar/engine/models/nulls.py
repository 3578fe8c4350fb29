"""What detectors say of clean models: natural shortcuts are no backdoors."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.files import write_text
from bezoar.learn.training import shrink
from bezoar.maths.extremes import exceeded
from bezoar.maths.moderation import moderated
from bezoar.maths.stats import Floats

FORM = "bezoar.null/1"
FEWEST = 20
"""Clean models that a null must hold, at least: fewer allow no p-value below 5 %."""
_CONSISTENT = 1.4826
"""Median absolute deviations of a normal distribution in one standard deviation."""
_LEAST_SPREAD = 0.05
"""Of logarithms: models that hardly differ do not make an outlier of one in twenty."""
_SIDE = 7
"""Pixels a side of the pictures by which a task is known."""
_ALIKE = 0.6
"""Part of the share of the null's own rows whose class they tell, of which inputs' classes must be told. They tell two thirds of
Fashion-MNIST, nine tenths of digits, a quarter of CIFAR-10; digits by those of Fashion-MNIST, or the other way, a tenth."""
_MOST_BYTES = 16 * 2**20

Table = Annotated[tuple[tuple[float, ...], ...], pydantic.Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """What each detector said of each class of m clean models.

    Parameters
    ----------
    form : of this table.
    architecture : of the models.
    shape : (c, h, w) of their inputs.
    classes : their names.
    inputs : clean inputs that the detectors searched with.
    recipe : how the models were made, in words and numbers.
    scores : by detector, (m, k) rows of scores, in the order of the models.
    settings : by detector, its parameters.
    looks : (k, s) grey levels of each class's mean picture, shrunk, by which inputs of the same task are known; none in a
        null of unknown looks.
    told : share of the rows that the models were trained on whose class they tell.
    """

    form: str = FORM
    architecture: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    inputs: int
    recipe: dict[str, Any]
    scores: dict[str, Table]
    settings: dict[str, dict[str, Any]]
    looks: tuple[tuple[int, ...], ...] = ()
    told: float = 2 / 3

    @property
    def models(self) -> int:
        """m."""
        return min(map(len, self.scores.values()))

    def only(self, detectors: tuple[str, ...]) -> "Null":
        """The same null of these detectors. Raises ``InputError`` where it has none of one."""
        missing = [name for name in detectors if name not in self.scores]
        if missing:
            raise InputError(f"the null knows nothing of {missing[0]}. Make one with `bezoar calibrate`.")
        return dataclasses.replace(self, scores={name: self.scores[name] for name in detectors})

    def knows(self, clean: Dataset) -> bool:
        """Whether its models are of the task of these inputs, so that each class can be compared with its own kind.

        Their classes have the same names, and their pictures look like those classes: digits are no clothes, though both may
        be numbered from 0 to 9.
        """
        if self.classes != clean.classes or self.shape != clean.images.shape[1:]:
            return False
        return not self.looks or told(self.looks, clean) >= _ALIKE * self.told


def looks_of(data: Dataset) -> tuple[tuple[int, ...], ...]:
    """For :attr:`Null.looks`, of the rows that the models were trained on."""
    seen = _shrunk(data.images)
    means = [seen[data.labels == label].mean(axis=0) for label in range(len(data.classes))]
    return tuple(tuple(round(float(value)) for value in mean) for mean in means)


def told(looks: tuple[tuple[int, ...], ...], data: Dataset) -> float:
    """Share of rows whose class is the one that looks most like them."""
    means = np.asarray(looks, dtype=np.float64)
    seen = _shrunk(data.images)
    # Of the squared distance, what all classes share is left out.
    nearest = (np.square(means).sum(axis=1) - 2 * seen @ means.T).argmin(axis=1)
    return float((nearest == data.labels).mean())


def _shrunk(images: NDArray[np.uint8]) -> Floats:
    """(n, s) grey levels of small pictures."""
    grey = np.rint(images.astype(np.float32).mean(axis=1, keepdims=True)).astype(np.uint8)
    small = (min(_SIDE, images.shape[2]), min(_SIDE, images.shape[3]))
    return np.asarray(shrink(grey, small)[:], dtype=np.float64).reshape(len(images), -1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Scores of a model held against a null.

    Parameters
    ----------
    deviations : (k,) for each class by how many standard deviations it stands out, by the detector to which it
        does most.
    p_values : (k,) share of clean models, this one counted among them, with a class that stands out as much. Exact
        where the model is clean and made as those of the null were; corrected for the number of classes and of detectors,
        as the null is of the largest over both.
    tail : (k,) the same by a Gumbel distribution fitted to the null, which goes on where the null ends.
    """

    deviations: Floats
    p_values: Floats
    tail: Floats


def hold(scores: Mapping[str, Floats], null: Null, *, same: bool) -> Held:
    """Hold the scores of a model, (k,) by detector, against what the same detectors said of clean models.

    Where the null is of models of the same task, a class is compared with itself in clean models: some classes
    are small shortcuts by nature, and vary more. Else it is compared with the other classes of its model. Either way what all classes
    of a model share is taken off first: another recipe moves them together.

    Parameters
    ----------
    same : whether the null is of models of the same task (:meth:`Null.knows`).
    """
    own = np.max([_apart(scores[name], np.asarray(null.scores[name]), same=same) for name in scores], axis=0)
    largest = np.sort([_left_out(null, tuple(scores), index, same=same) for index in range(null.models)])
    above = len(largest) - np.searchsorted(largest, own, side="left")
    return Held(
        deviations=np.asarray(own),
        p_values=np.asarray((1 + above) / (1 + len(largest))),
        tail=exceeded(own, largest),
    )


def _left_out(null: Null, detectors: tuple[str, ...], index: int, *, same: bool) -> float:
    """How far the most outstanding class of one clean model stands out from the others of the null."""
    most = -np.inf
    for name in detectors:
        table = np.asarray(null.scores[name])
        most = max(most, float(_apart(table[index], np.delete(table, index, axis=0), same=same).max()))
    return most


def _apart(scores: Floats, table: Floats, *, same: bool) -> Floats:
    """(k,) standard deviations by which each class stands out, by one detector with its null (m, k)."""
    if same:
        usual = np.median(table, axis=0)
        rest = table - usual
        rest -= np.median(rest, axis=1, keepdims=True)
        moved = scores - usual
        spread = np.sqrt(moderated(rest))
    else:
        rest = table - np.median(table, axis=1, keepdims=True)
        moved = scores
        spread = np.full(len(scores), _CONSISTENT * np.median(np.abs(rest)))
    return np.asarray((moved - np.median(moved)) / np.maximum(spread, _LEAST_SPREAD))


_ADAPTER = pydantic.TypeAdapter(Null)


def write(path: Path, null: Null) -> Path:
    """Write a null as JSON."""
    return write_text(path, _ADAPTER.dump_json(null, indent=2).decode() + "\n")


def read(path: Path) -> Null:
    """The null in a file.

    Raises
    ------
    InputError
        No such file, another form, too few models, detectors with different numbers of them.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: over the limit of {_MOST_BYTES:,} bytes for a null.")
        return _checked(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: no null can be read here: {error.strerror or error}.") from error


def shipped(architecture: str, clean: Dataset) -> Null | None:
    """The null that comes with Bezoar for models of this kind, or None.

    One for the task of these inputs goes before one for as large inputs, and that before any for the architecture.
    """
    known = [
        _checked(file.read_bytes(), file.name)
        for file in resources.files("bezoar.engine.models").joinpath("tables").iterdir()
        if file.name.endswith(".json")
    ]
    shape = clean.images.shape[1:]
    fitting = [null for null in known if null.architecture == architecture]
    return min(fitting, key=lambda null: (not null.knows(clean), null.shape != shape), default=None)


def _checked(content: bytes, where: str) -> Null:
    try:
        null = _ADAPTER.validate_json(content)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InputError(f"{where}: not a null: {first['msg']}.") from error
    sizes = {(len(rows), len(row)) for rows in null.scores.values() for row in rows}
    if null.form != FORM or len(sizes) != 1 or min(sizes)[0] < FEWEST or min(sizes)[1] != len(null.classes):
        raise InputError(
            f"{where}: a null must hold scores of all classes of {FEWEST} models or more by every detector."
        )
    size = min(_SIDE, null.shape[1]) * min(_SIDE, null.shape[2])
    if null.looks and [len(look) for look in null.looks] != [size] * len(null.classes):
        raise InputError(f"{where}: `looks` must hold {size} grey levels of each class.")
    if not all(np.isfinite(rows).all() for rows in null.scores.values()):
        raise InputError(f"{where}: a null must hold finite scores.")
    return null
