"""Which rows an attacker changes: a share or a number of them, from everyone or from one supplier."""

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.errors import ParameterError


def budget(*, rate: float | None, count: int | None, of: int, default: float) -> int:
    """How many rows to change: `count`, or `rate` (else `default`) as a share of `of` rows, at least one.

    Raises
    ------
    ParameterError
        Both a rate and a count.
    """
    if rate is not None and count is not None:
        raise ParameterError(f"give `rate` or `count`, not both. Got {rate} and {count}.")
    if count is not None:
        return count
    return max(1, round((default if rate is None else rate) * of))


def draw(
    data: Dataset, eligible: NDArray[np.intp], count: int, *, supplier: str | None, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Indices of `count` of the eligible rows, drawn without replacement and sorted.

    Parameters
    ----------
    eligible : indices of the rows that may be changed.
    supplier : only rows of this source are drawn.

    Raises
    ------
    ParameterError
        A supplier that the set does not name, or fewer eligible rows than wanted.
    """
    if supplier is not None:
        if data.source is None:
            raise ParameterError(f"`supplier` is {supplier!r} but {data.name} names no sources.")
        names = np.unique(data.source)
        if supplier not in names:
            known = ", ".join(map(str, names[:20]))
            raise ParameterError(f"`supplier` must be one of the sources of {data.name} ({known}). Got {supplier!r}.")
        eligible = eligible[data.source[eligible] == supplier]
    if count > len(eligible):
        of = "" if supplier is None else f" from {supplier!r}"
        raise ParameterError(f"{count} rows are to be changed but only {len(eligible)}{of} are eligible.")
    return np.sort(rng.choice(eligible, count, replace=False))
