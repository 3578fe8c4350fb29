"""A labelled data set: rows of images, of table cells or of text."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bezoar.core import digest
from bezoar.core.errors import InputError, ParameterError

if TYPE_CHECKING:
    import pyarrow as pa

Inputs = Any
"""Images (n, c, h, w) uint8, a ``pyarrow.Table`` of n rows, or a ``pyarrow.Array`` of n strings."""


class Modality(StrEnum):
    """What a row is."""

    IMAGE = "image"
    TABLE = "table"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Unread:
    """A row, file or member that could not be read, and why. Never silently dropped."""

    where: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Hashed:
    """SHA-256 of each row's input, made by who had the bytes at hand, with the very inputs they are of."""

    of: Inputs
    hashes: list[bytes]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled rows. Nothing in here is ever changed in place.

    Parameters
    ----------
    inputs : images (n, c, h, w) uint8, a ``pyarrow.Table`` (numbers, categories, missing values
        mixed) or a ``pyarrow`` string array.
    labels : (n,) int64, indices into `classes`.
    classes : class names, in label order.
    ids : (n,) text, unique. Row numbers where the set names none.
    source : (n,) text or None: the supplier, site or contributor of each row.
    name : what to call the set in a report.
    unread : what could not be read.
    notes : what reading did to the rows, such as resizing images or leaving a column out.
    hashed : hashes of the inputs where they are known. Those of other inputs are ignored.

    Raises
    ------
    InputError
        Lengths that differ, labels out of range, duplicate ids, images that are not uint8.
    """

    inputs: Inputs
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    ids: NDArray[np.str_]
    source: NDArray[np.str_] | None = None
    name: str = "data"
    unread: tuple[Unread, ...] = ()
    notes: tuple[str, ...] = ()
    hashed: Hashed | None = None

    def __post_init__(self) -> None:
        n = len(self.inputs)
        for what, column in (("labels", self.labels), ("ids", self.ids), ("source", self.source)):
            if column is not None and column.shape != (n,):
                raise InputError(f"{self.name}: {n} inputs but {what} of shape {column.shape}.")
        if isinstance(self.inputs, np.ndarray) and (self.inputs.ndim != 4 or self.inputs.dtype != np.uint8):
            raise InputError(
                f"{self.name}: images must be (n, c, h, w) uint8. Got {self.inputs.shape} {self.inputs.dtype}."
            )
        if n and not (0 <= self.labels.min() and self.labels.max() < len(self.classes)):
            raise InputError(
                f"{self.name}: labels must lie in 0 to {len(self.classes) - 1}. "
                f"Got {self.labels.min()} to {self.labels.max()}."
            )
        # A set of texts is several times as fast as sorting them; who is double is looked up only where one is.
        if len(set(self.ids.tolist())) != n:
            unique, counts = np.unique(self.ids, return_counts=True)
            raise InputError(f"{self.name}: {n - len(unique)} duplicate ids, such as {unique[counts.argmax()]!r}.")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def modality(self) -> Modality:
        """Images, table or text."""
        if isinstance(self.inputs, np.ndarray):
            return Modality.IMAGE
        return Modality.TABLE if hasattr(self.inputs, "column_names") else Modality.TEXT

    @property
    def images(self) -> NDArray[np.uint8]:
        """The images, (n, c, h, w). Raises ``InputError`` for another modality."""
        if self.modality is not Modality.IMAGE:
            raise InputError(f"{self.name}: holds {self.modality} rows, not images.")
        return cast("NDArray[np.uint8]", self.inputs)

    @property
    def table(self) -> "pa.Table":
        """The cells. Raises ``InputError`` for another modality."""
        if self.modality is not Modality.TABLE:
            raise InputError(f"{self.name}: holds {self.modality} rows, not a table.")
        return self.inputs

    @cached_property
    def row_hashes(self) -> list[bytes]:
        """SHA-256 of each row's input, label name and source, n of 32 bytes."""
        labels = [self.classes[label] for label in self.labels]
        sources = self.source.tolist() if self.source is not None else [""] * len(self)
        return digest.leaves(self.input_hashes, labels, sources)

    @cached_property
    def input_hashes(self) -> list[bytes]:
        """SHA-256 of each row's input alone, n of 32 bytes. Equal inputs have equal hashes."""
        known = self._known_hashes
        return digest.inputs(self.inputs) if known is None else known

    @property
    def _known_hashes(self) -> list[bytes] | None:
        """Hashes of the inputs, where nobody needs to compute them any more."""
        computed: list[bytes] | None = self.__dict__.get("input_hashes")
        fits = self.hashed is not None and self.hashed.of is self.inputs
        return self.hashed.hashes if self.hashed is not None and fits else computed

    @cached_property
    def merkle_root(self) -> str:
        """SHA-256 Merkle root over the row hashes in row order, as hexadecimal text (RFC 6962, section 2.1)."""
        return digest.merkle_root(self.row_hashes).hex()

    def class_index(self, name: "str | int") -> int:
        """The index of a class given by name or by index. A text is a name first, then a number."""
        if isinstance(name, str) and name in self.classes:
            return self.classes.index(name)
        if str(name).isdecimal() and int(name) < len(self.classes):
            return int(name)
        if str(name) in self.classes:
            return self.classes.index(str(name))
        raise ParameterError(f"no class {name!r} in {self.name}. Classes: {', '.join(self.classes[:20])}.")

    def rows_of(self, label: int) -> NDArray[np.intp]:
        """Indices of the rows that carry `label`."""
        return np.flatnonzero(self.labels == label)

    def rows_not_of(self, label: int) -> NDArray[np.intp]:
        """Indices of the rows that carry another label."""
        return np.flatnonzero(self.labels != label)

    def mask(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(n,) True at `rows`."""
        mask = np.zeros(len(self), dtype=bool)
        mask[rows] = True
        return mask

    def take(self, rows: NDArray[Any], *, inputs: Inputs | None = None) -> "Dataset":
        """The rows at these indices (or where this mask is True), in this order.

        `inputs` are those very rows of the inputs, where the caller has them already.
        """
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        inputs, known = take_inputs(self.inputs, rows) if inputs is None else inputs, self._known_hashes
        return dataclasses.replace(
            self,
            inputs=inputs,
            hashed=None if known is None else Hashed(inputs, [known[row] for row in rows.tolist()]),
            labels=self.labels[rows],
            ids=self.ids[rows],
            source=None if self.source is None else self.source[rows],
        )

    def with_images(self, rows: NDArray[np.intp], images: NDArray[np.uint8]) -> "Dataset":
        """A copy whose images at `rows` are these."""
        changed = self.images.copy()
        changed[rows] = images
        known = self._known_hashes
        if known is None:
            return dataclasses.replace(self, inputs=changed)
        hashes = known.copy()
        # Read back in their order: where a row is named twice, the last image stays.
        for row, content in zip(rows.tolist(), digest.inputs(changed[rows]), strict=True):
            hashes[row] = content
        return dataclasses.replace(self, inputs=changed, hashed=Hashed(changed, hashes))

    def with_labels(self, rows: NDArray[np.intp], labels: "NDArray[np.int64] | int") -> "Dataset":
        """A copy whose labels at `rows` are these."""
        changed = self.labels.copy()
        changed[rows] = labels
        known = self._known_hashes
        return dataclasses.replace(self, labels=changed, hashed=None if known is None else Hashed(self.inputs, known))


def take_inputs(inputs: Inputs, rows: NDArray[np.intp]) -> Inputs:
    """Rows of images, of a table or of texts at these indices."""
    return inputs[rows] if isinstance(inputs, np.ndarray) else inputs.take(rows)
