"""The leader board: detectors by their mean over the cells that all of them have, and no others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bezoar.maths.repeats import nested_means
from bezoar.maths.stats import Floats
from bezoar.report.cells import NOT_MEASURED, Grid, Method, absence

Place = tuple[str, int]
"""A setting's id and a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """One detector on the board.

    Parameters
    ----------
    mean, low, high : over the shared cells, with its 95 % interval (None where nothing was repeated).
    behind, behind_low, behind_high : how far the leader's mean is above it, and the interval of that.
    won, tied, lost : duels with the other ranked detectors, one for each shared cell.
    measured : cells of any detector's that it has a number in.
    absent : how many of the others ended how.
    """

    method: Method
    mean: float
    low: float | None
    high: float | None
    behind: float
    behind_low: float | None
    behind_high: float | None
    won: int
    tied: int
    lost: int
    measured: int
    absent: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unranked:
    """A detector with too few numbers to be compared: how many, and how the others ended."""

    method: Method
    measured: int
    absent: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Detectors by one figure, best first.

    Parameters
    ----------
    planned : cells with an attack in them, one for each setting and seed.
    cells : of those, the ones that any detector has a number in.
    shared, settings : cells that all ranked detectors have, and the attacks x data sets x rates they belong to.
    """

    figure: str
    leaders: tuple[Leader, ...]
    unranked: tuple[Unranked, ...]
    planned: int
    cells: int
    shared: int
    settings: int


def board(grid: Grid, figure: str, rng: np.random.Generator) -> Board:
    """Rank the detectors by a figure of which more is better.

    Every setting counts the same, however many seeds it has. While all detectors together share fewer than half of the
    cells, the one with the fewest is left out: a detector that failed often neither ranks by the cells that
    suited it nor takes the others' cells away. Intervals come from a bootstrap that draws settings, then seeds within
    them, the same for all detectors: they say how the mean would move with other attacks, sets and seeds of the kind.

    Parameters
    ----------
    rng : for the bootstrap.
    """
    numbers = {method: _numbers(grid, method, figure) for method in grid.methods if method.ranks}
    union = {place for found in numbers.values() for place in found}
    ranked, shared = _comparable({method: set(found) for method, found in numbers.items() if found}, len(union))
    groups = [
        np.array([[numbers[method][setting.id, seed] for seed in seeds] for method in ranked])
        for setting in grid.settings
        if (seeds := sorted(seed for name, seed in shared if name == setting.id))
    ]
    tallies = {method: (len(numbers[method]), _absent(grid, method, figure, union)) for method in numbers}
    return Board(
        figure=figure,
        leaders=_leaders(ranked, groups, tallies, rng) if groups else (),
        unranked=tuple(
            Unranked(method=method, measured=measured, absent=absent)
            for method, (measured, absent) in tallies.items()
            # A method that ends well everywhere and never gives the figure does not measure it.
            if method not in ranked and (measured or absent.keys() - {NOT_MEASURED})
        ),
        planned=len(_planned(grid)),
        cells=len(union),
        shared=len(shared),
        settings=len(groups),
    )


def _planned(grid: Grid) -> set[Place]:
    attacked = {setting.id for setting in grid.settings if not setting.untouched}
    ranking = {method.id for method in grid.methods if method.ranks}
    return {
        (setting, seed)
        for (setting, method), found in grid.cells.items()
        if setting in attacked and method in ranking
        for seed in found
    }


def _numbers(grid: Grid, method: Method, figure: str) -> dict[Place, float]:
    return {
        (setting.id, seed): float(measured.value)
        for setting in grid.settings
        for seed, measured in grid.numbers(setting, method, figure).items()
        if measured.value is not None
    }


def _comparable(places: Mapping[Method, set[Place]], cells: int) -> tuple[list[Method], set[Place]]:
    """The methods that share at least half of the cells, and those cells."""
    ranked = sorted(places, key=lambda method: -len(places[method]))
    while ranked:
        shared = set.intersection(*(places[method] for method in ranked))
        if len(ranked) == 1 or 2 * len(shared) >= cells:
            return ranked, shared
        ranked.pop()
    return [], set()


def _leaders(
    ranked: list[Method],
    groups: list[Floats],
    tallies: Mapping[Method, tuple[int, Mapping[str, int]]],
    rng: np.random.Generator,
) -> tuple[Leader, ...]:
    means, draws = nested_means(groups, rng)
    first = int(means.argmax())
    cells = np.concatenate(groups, axis=1)
    leaders = []
    for at in np.argsort(-means, kind="stable"):
        others = np.delete(cells, at, axis=0)
        low, high = _ends(None if draws is None else draws[:, at])
        behind_low, behind_high = _ends(None if draws is None else draws[:, first] - draws[:, at])
        leaders.append(
            Leader(
                method=ranked[at],
                mean=float(means[at]),
                low=low,
                high=high,
                behind=float(means[first] - means[at]),
                behind_low=behind_low,
                behind_high=behind_high,
                won=int((cells[at] > others).sum()),
                tied=int((cells[at] == others).sum()),
                lost=int((cells[at] < others).sum()),
                measured=tallies[ranked[at]][0],
                absent=tallies[ranked[at]][1],
            )
        )
    return tuple(leaders)


def _ends(draws: Floats | None) -> tuple[float | None, float | None]:
    if draws is None:
        return None, None
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _absent(grid: Grid, method: Method, figure: str, union: set[Place]) -> dict[str, int]:
    """How the method's cells ended where another has a number."""
    counts: dict[str, int] = {}
    # In a fixed order, so that equal results give equal pages.
    for setting, seed in sorted(union):
        cells = grid.cells.get((setting, method.id), {})
        state = absence(cells[seed], figure)[0] if seed in cells else "not planned"
        if state:
            counts[state] = counts.get(state, 0) + 1
    return counts
