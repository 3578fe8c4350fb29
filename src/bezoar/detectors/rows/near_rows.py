"""Table rows that nearly agree: text by text, and number by number within a grain."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bezoar.maths.near_numbers import near_numbers
from bezoar.maths.stats import Floats

# By which a difference of exactly the grain may come out larger.
_ROUNDING = 1e-9
# Spread of a column, as a share of its largest number, below which it counts as constant.
_LEAST_SPREAD = 1e-300


def near_rows(table: pa.Table, rows: NDArray[np.intp], grain: float) -> NDArray[np.intp]:
    """Pairs of these rows of a table whose cells agree.

    Numbers agree where they differ by at most a share `grain` of their column's interquartile range (of its standard
    deviation where that is 0), other cells where their text does, blanks and letter case aside. Missing agrees with
    missing, and an infinity with its like.

    Parameters
    ----------
    rows : (m,) indices.
    grain : at least 0.

    Returns
    -------
    (p, 2) positions in `rows`, i < j. Of a crowd that are all alike some pairs are left out, see :func:`near_numbers`.
    """
    groups, numbers = np.zeros(len(rows), dtype=np.int64), []
    for column in table.itercolumns():
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            kinds, values = _numbers(column, grain)
            codes = kinds[rows]
            if values is not None:
                numbers.append(values[rows])
        else:
            codes = _texts(column)[rows]
        _, groups = np.unique(groups * (codes.max(initial=0) + 1) + codes, return_inverse=True)
    return near_numbers(numbers, groups, (1 + _ROUNDING) * grain)


def _numbers(column: pa.ChunkedArray, grain: float) -> tuple[NDArray[np.int64], Floats | None]:
    """(n,) codes that differ where two cells don't agree, and (n,) in ranges of the column where codes don't say all."""
    cells = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    known = np.isfinite(cells)
    codes = np.select([np.isnan(cells), cells == np.inf, cells == -np.inf], [0, 1, 2], 3)
    if not known.any():
        return codes, None
    # Divided by the largest first: the range of a column may exceed what a double holds.
    scaled = np.where(known, cells, 0.0) / (np.abs(cells[known]).max() or 1.0)
    low, high = np.quantile(scaled[known], [0.25, 0.75])
    values = scaled / max((high - low) or scaled[known].std(), _LEAST_SPREAD)
    distinct = np.unique(values[known])
    if (np.diff(distinct) <= grain).any():
        return codes, values
    # No two values are near each other: they agree where they are equal.
    return np.where(known, codes + np.searchsorted(distinct, values), codes), None


def _texts(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """(n,) codes, equal where two cells of a column agree."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        distinct = column.unique()
        cells = np.asarray(pc.index_in(column, distinct).to_numpy(), dtype=np.intp)
    else:
        distinct, cells = column, np.arange(len(column))
    texts = ["" if cell is None else str(cell).strip().casefold() for cell in distinct.to_pylist()]
    _, codes = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return codes.reshape(-1)[cells].astype(np.int64)
