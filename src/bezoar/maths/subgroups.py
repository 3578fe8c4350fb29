"""Subgroups of a table in which something happens more often than it should."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.tree import DecisionTreeRegressor

from bezoar.maths.stats import Floats

_MISSING = -1e12
"""Missing cells sort below every number: a tree can split them off."""
_LARGEST = 1e38
"""Larger cells count as this: trees compute in float32."""
_FEWEST = 200
"""Rows that must be looked at before a search for subgroups means anything."""
_PSEUDO_COUNT = 20
"""Trials at the overall rate that are added to a subgroup's own, so that small ones don't stand out by chance."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subgroup:
    """Rows that satisfy a few conditions.

    Parameters
    ----------
    conditions : (column index, "<=" or ">", threshold), all of which hold.
    rows : (n,) bool over all rows.
    happened : (n,) bool, the subgroup's rows looked at in which it happened.
    events, expected, trials : what happened among the subgroup's rows looked at.
    lift : rate of events in the subgroup over the rate among all rows looked at, shrunk towards 1.
    p_value : of so many events or more where `expected` is right. The conditions were chosen for their excess, so it is
        too small by a factor of up to the number of splits tried.
    """

    conditions: tuple[tuple[int, str, float], ...]
    rows: NDArray[np.bool_]
    happened: NDArray[np.bool_]
    events: int
    expected: float
    trials: int
    lift: float
    p_value: float


def subgroups(
    columns: Floats, events: NDArray[np.bool_], expected: Floats, looked_at: NDArray[np.bool_], *, depth: int = 1
) -> tuple[Subgroup, ...]:
    """Leaves of a shallow tree grown on the excess of events over what was expected, the largest lift first.

    Parameters
    ----------
    columns : (n, columns), NaN where missing.
    events : (n,) what happened.
    expected : (n,) its probability if nothing is wrong.
    looked_at : (n,) rows that count.
    """
    rows = np.flatnonzero(looked_at)
    base = float(events[rows].mean()) if len(rows) else 0.0
    if len(rows) < _FEWEST or base == 0:
        return ()
    filled = np.clip(np.where(np.isnan(columns), _MISSING, columns), -_LARGEST, _LARGEST)
    tree = DecisionTreeRegressor(max_depth=depth, min_samples_leaf=max(30, len(rows) // 100), random_state=0)
    tree.fit(filled[rows], events[rows] - expected[rows])
    leaf, found = tree.apply(filled), []
    for node, conditions in _paths(tree).items():
        here = rows[leaf[rows] == node]
        count = int(events[here].sum())
        rate = (count + _PSEUDO_COUNT * base) / (len(here) + _PSEUDO_COUNT)
        found.append(
            Subgroup(
                conditions=conditions,
                rows=leaf == node,
                happened=(leaf == node) & looked_at & events,
                events=count,
                expected=float(expected[here].sum()),
                trials=len(here),
                lift=rate / base,
                p_value=float(stats.poisson.sf(count - 1, max(1e-9, float(expected[here].sum())))),
            )
        )
    return tuple(sorted(found, key=lambda group: -group.lift))


def _paths(tree: DecisionTreeRegressor) -> dict[int, tuple[tuple[int, str, float], ...]]:
    """The conditions that lead to each leaf, the narrowest of each column and direction."""
    inner, paths = tree.tree_, {}
    stack: list[tuple[int, dict[tuple[int, str], float]]] = [(0, {})]
    while stack:
        node, limits = stack.pop()
        column, threshold = int(inner.feature[node]), float(inner.threshold[node])
        if column < 0:
            paths[node] = tuple((name, way, value) for (name, way), value in limits.items())
            continue
        stack.append((int(inner.children_left[node]), limits | {(column, "<="): threshold}))
        stack.append((int(inner.children_right[node]), limits | {(column, ">"): threshold}))
    return paths
