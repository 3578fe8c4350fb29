"""What a person can say about a data set (its roles), and how much of it Bezoar takes in (its limits)."""

from dataclasses import dataclass

from bezoar.core.data import Modality
from bezoar.core.errors import InputError
from bezoar.core.validation import Count, Validated


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles(Validated):
    """Which column is what. Roles that are not named are found by name and type.

    Parameters
    ----------
    label : column (or array) with the class of each row.
    input : columns that a model learns from. One for images or text; for a table all columns
        without another role.
    source : column with the supplier, site or contributor of a row; empty text for none.
    id : column with a unique name of each row; empty text for row numbers.
    modality : image, table or text.
    split : keep only the rows of this split, such as "train". None keeps all splits.
    drop : columns to leave out.
    """

    label: str | None = None
    input: tuple[str, ...] = ()
    source: str | None = None
    id: str | None = None
    modality: Modality | None = None
    split: str | None = None
    drop: tuple[str, ...] = ()

    def require_no_columns(self, name: str, kind: str) -> None:
        """Raise ``InputError`` where a column is named of a set that has none."""
        if self.label or self.input or self.source or self.id or self.drop:
            raise InputError(f"{name}: {kind} has no columns to name.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Validated):
    """Bounds on what is read: whatever is audited may be hostile.

    Parameters
    ----------
    pixels : pixels of one encoded image, by its header.
    side : longest side of a decoded image in pixels; larger ones are scaled down.
    row_bytes : encoded bytes of one row's input.
    file_bytes : bytes of one file as it lies on disk.
    total_bytes : bytes of the whole set once unpacked.
    columns, rows, classes : how many of each.
    name_length : characters of one id, source or class name.
    """

    pixels: Count = 50_000_000
    side: Count = 224
    row_bytes: Count = 64 * 2**20
    file_bytes: Count = 16 * 2**30
    total_bytes: Count = 8 * 2**30
    columns: Count = 10_000
    rows: Count = 50_000_000
    classes: Count = 10_000
    name_length: Count = 500
