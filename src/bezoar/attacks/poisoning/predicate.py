"""Which rows of a table satisfy a condition such as "age > 60 and sex = Male". Parsed, never evaluated."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bezoar.core.errors import ParameterError

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": pc.greater_equal,
    "<=": pc.less_equal,
    "!=": pc.not_equal,
    "==": pc.equal,
    "=": pc.equal,
    ">": pc.greater,
    "<": pc.less,
}
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_TERM = re.compile(
    rf"\s*(?P<column>{_QUOTED}|[^<>=!\"']+?)\s*(?P<comparison>>=|<=|!=|==|=|>|<)\s*"
    rf"(?P<value>{_QUOTED}|[^<>=!\"']+?)\s*(?:$|\band\b)",
)


def satisfying(table: pa.Table, condition: str) -> NDArray[np.bool_]:
    """(n,) True where the row satisfies every term of the condition. A missing value satisfies none.

    Parameters
    ----------
    condition : terms ``column comparison value`` joined by ``and``, with the comparisons
        ``= == != < <= > >=``. Names and values with such signs or the word "and" in them go in quotes.

    Raises
    ------
    ParameterError
        A condition that does not parse, names no column of the table, or compares text with a number.
    """
    rows = np.ones(table.num_rows, dtype=bool)
    at = 0
    while at < len(condition):
        term = _TERM.match(condition, at)
        if term is None:
            raise ParameterError(
                f'`where` must be "column comparison value", joined by "and". Got {condition!r}, unclear from '
                f"{condition[at:].strip()[:40]!r}."
            )
        rows &= _holds(table, _bare(term["column"]), term["comparison"], _bare(term["value"]))
        at = term.end()
    if at == 0 or condition.rstrip().endswith(" and"):
        raise ParameterError(f'`where` must not be empty or end in "and". Got {condition!r}.')
    return rows


def _bare(text: str) -> str:
    return text[1:-1] if text[:1] in "\"'" and text[:1] else text


def _holds(table: pa.Table, column: str, comparison: str, value: str) -> NDArray[np.bool_]:
    if column not in table.column_names:
        raise ParameterError(f"`where`: no column {column!r}. Columns: {', '.join(table.column_names[:20])}.")
    cells = table.column(column)
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    kind = pa.float64() if pa.types.is_integer(cells.type) else cells.type
    try:
        # An integer column is compared as a number, so that "age > 60.5" means what it says.
        wanted = pa.scalar(value).cast(kind)
        holds = _COMPARISONS[comparison](cells, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ParameterError(f"`where`: {value!r} does not compare with column {column!r} ({cells.type}).") from error
    return np.asarray(holds.fill_null(False).to_numpy(), dtype=bool)
