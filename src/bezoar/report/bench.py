"""One self-contained page about a grid: who leads, what each attack does and how well it is seen, what is not there."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bezoar.engine.grids.results import AUDIT, FIGURES, Cell, Results, Run
from bezoar.report import cells, html, leaders, safe, svg, wording
from bezoar.report.cells import RANKING, Grid, Method, Setting, Summary
from bezoar.report.leaders import Board
from bezoar.report.strength import evaluation
from bezoar.report.wording import Tone

FLAGS = ("tpr", "fpr", "precision")
"""Figures of the whole audit's flags."""
_MOST_TILES, _MOST_CHARTS, _MOST_FIGURES = 20_000, 120, 12_000
_MOST_GAPS, _MOST_RUNS, _MOST_PAIRS, _MOST_AUDITS, _MOST_COLUMNS, _MOST_NAMED, _MOST_PLACES = (
    100,
    10,
    60,
    200,
    10,
    12,
    3,
)
"""Limits that keep the page under 5 MB; what is over them is counted and left to ``results.parquet``."""
_REASON, _COMMAND = 300, 1000
_CHANCE = 0.5
_SEED = 0
"""Of the bootstrap, so that equal results give equal pages."""

Group = TypeVar("Group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """How well each detector ranks the rows of each attack on one set: rows of tiles, one for each setting."""

    figure: str
    data: str
    attacks: tuple[tuple[str, int], ...]
    settings: tuple[Setting, ...]
    rows: tuple[tuple[Method, tuple[Summary, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """All figures of one method in one setting, in the order of its listing; None where it does not measure one.

    ``changed`` counts the rows that the attack changed; ``seconds`` is the median of the cells that are done.
    """

    setting: Setting
    changed: int | None
    method: Method
    figures: tuple[Summary | None, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Every figure of one attack on one set; a line for each rate and method."""

    attack: str
    data: str
    figures: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Cells without a number for one and the same reason."""

    state: str
    reason: str
    count: int
    where: tuple[str, ...]


def page(results: Results) -> str:
    """The page. Under 5 MB: tiles, charts and rows past a limit are counted and left to ``results.parquet``.

    In tables and curves a value is the median over seeds with the least and the greatest beside it: three or five
    seeds are too few for an interval that rests on a normal distribution, and such an interval leaves [0, 1] near its
    ends. With one seed the interval of that one measurement stands there. Figures that are missing, failed or refused
    are shown as such; none enters a median, a mean or a rank.
    """
    grid = cells.grid(results)
    figures = [figure for figure in RANKING if figure in grid.figures]
    rng = np.random.default_rng(_SEED)
    boards = [leaders.board(grid, figure, rng) for figure in figures]
    methods = _in_order(grid, boards)
    groups: dict[tuple[str, str], list[Setting]] = {}
    for setting in grid.settings:
        groups.setdefault((setting.data, setting.attack), []).append(setting)
    for group in groups.values():
        group.sort(key=lambda setting: setting.rate or 0.0)
    attacked = [group for group in groups.values() if not group[0].untouched]
    sets = [
        [setting for group in attacked for setting in group if setting.data == data]
        for data in dict.fromkeys(group[0].data for group in attacked)
    ]
    maps = [(figure, group) for group in sets for figure in figures]
    heats, maps_left_out = _within(maps, lambda one: len(methods) * len(one[1]), _MOST_TILES)
    curves, curves_left_out = _within(attacked, lambda _: 1 + len(figures), _MOST_CHARTS)
    columns = min(len(grid.figures), _MOST_COLUMNS) + 1
    listings, listings_left_out = _within(
        groups.values(), lambda group: len(group) * len(grid.methods) * columns, _MOST_FIGURES
    )
    gaps = _gaps(results)
    return (
        html.environment()
        .get_template("bench.html")
        .render(
            name=safe.text(results.name),
            tone=_tone(results),
            headline=_headline(results),
            lead=_lead(boards),
            asked=_asked(grid),
            planned=len(results.planned),
            counts={status: len(results.ended(status)) for status in ("done", "failed", "not_applicable")},
            missing=len(results.missing),
            took=wording.seconds(sum(result.seconds for result in results.results.values())),
            titles=FIGURES,
            figures=figures,
            boards=boards,
            heats=[_heat(grid, methods, figure, group) for figure, group in heats],
            maps_left_out=maps_left_out,
            evaluations=[evaluation(grid, methods, figures, group) for group in curves],
            curves_left_out=curves_left_out,
            audits=_audits(grid),
            listings=[_listing(grid, group) for group in listings],
            listings_left_out=listings_left_out,
            gaps=gaps[:_MOST_GAPS],
            gaps_left_out=max(len(gaps) - _MOST_GAPS, 0),
            runs=[_record(run) for run in results.runs[-_MOST_RUNS:][::-1]],
            runs_left_out=max(len(results.runs) - _MOST_RUNS, 0),
            in_words=cells.in_words,
            spread=cells.spread,
            warmth=_warmth,
            sign=svg.sign,
        )
    )


def _within(groups: Iterable[Group], size: Callable[[Group], int], most: int) -> tuple[list[Group], int]:
    """As many groups as fit from the first one on, and how many do not."""
    listed = list(groups)
    total = list(itertools.accumulate(map(size, listed)))
    fitting = sum(end <= most for end in total)
    return listed[:fitting], len(listed) - fitting


def _in_order(grid: Grid, boards: Sequence[Board]) -> list[Method]:
    """The methods that rank rows, as they stand on the boards."""
    placed = [leader.method for board in boards for leader in board.leaders]
    rest = [unranked.method for board in boards for unranked in board.unranked]
    return list(dict.fromkeys([*placed, *rest]))


def _tone(results: Results) -> Tone:
    return Tone.UNKNOWN if results.missing or results.ended("failed") else Tone.CLEAN


def _headline(results: Results) -> str:
    planned, failed, missing = len(results.planned), len(results.ended("failed")), len(results.missing)
    if not planned:
        return "Nothing was planned."
    if not failed and not missing:
        return f"No cell of {planned:,} failed or is missing."
    parts = [f"{failed:,} failed"] if failed else []
    parts += [f"{missing:,} missing"] if missing else []
    return f"Of {planned:,} cells: {', '.join(parts)}."


def _lead(boards: Sequence[Board]) -> str:
    """Who leads by each figure, and who is not told apart from the leader."""
    told = []
    for board in boards:
        if not board.leaders:
            continue
        first, *others = board.leaders
        level = [one.method.label for one in others if one.behind_low is None or one.behind_low <= 0]
        with_it = f", not told apart from {', '.join(level[:3])}" if level else ""
        more = f" and {len(level) - 3} more" if len(level) > 3 else ""
        told.append(
            f"By {FIGURES[board.figure]} {first.method.label} leads at {cells.in_words(board.figure, first.mean)}{with_it}{more}."
        )
    return " ".join(told) or "No detector has a figure to be ranked by."


def _asked(grid: Grid) -> list[tuple[str, str]]:
    """What the grid holds, in words."""
    rates = sorted({setting.rate for setting in grid.settings if setting.rate is not None})
    seeds = sorted({seed for found in grid.cells.values() for seed in found})
    return [
        ("Attacks", _list(setting.attack for setting in grid.settings)),
        ("Detectors", _list(method.label for method in grid.methods if method.ranks)),
        ("Data", _list(setting.data for setting in grid.settings)),
        ("Rates", _list(map(wording.share, rates)) or "none"),
        ("Seeds", _list(map(str, seeds))),
    ]


def _list(texts: Iterable[str]) -> str:
    unique = list(dict.fromkeys(texts))
    more = f" and {len(unique) - _MOST_NAMED} more" if len(unique) > _MOST_NAMED else ""
    return ", ".join(unique[:_MOST_NAMED]) + more


def _heat(grid: Grid, methods: Sequence[Method], figure: str, settings: Sequence[Setting]) -> Heat:
    attacks = tuple((name, len(list(same))) for name, same in itertools.groupby(s.attack for s in settings))
    rows = tuple((method, tuple(grid.summary(setting, method, figure) for setting in settings)) for method in methods)
    return Heat(figure=figure, data=settings[0].data, attacks=attacks, settings=tuple(settings), rows=rows)


def _warmth(figure: str, value: float) -> int:
    """How strongly a tile is coloured, 0 to 10: for AUROC from chance on, else from 0."""
    start = _CHANCE if figure == "auroc" else 0.0
    return round(10 * min(max((value - start) / (1 - start), 0.0), 1.0))


def _listing(grid: Grid, settings: Sequence[Setting]) -> Listing:
    pairs = [(setting, method) for setting in settings for method in grid.methods if grid.of(setting, method)]
    figures = [name for name in grid.figures if any(grid.numbers(*pair, name) for pair in pairs)][:_MOST_COLUMNS]
    return Listing(
        attack=settings[0].attack,
        data=settings[0].data,
        figures=tuple(figures),
        lines=tuple(
            Line(
                setting=setting,
                changed=grid.changed(setting),
                method=method,
                figures=tuple(_asked_for(grid, setting, method, name) for name in figures),
                seconds=grid.seconds(setting, method),
            )
            for setting, method in pairs
        ),
    )


def _asked_for(grid: Grid, setting: Setting, method: Method, figure: str) -> Summary | None:
    """The figure of a method; None where all cells ended well and none of them speaks of it."""
    found = grid.summary(setting, method, figure)
    return None if not found.seeds and set(found.absent) == {cells.NOT_MEASURED} else found


def _audits(grid: Grid) -> list[tuple[Setting, tuple[Summary | None, ...]]]:
    """How the flags of the whole audit did in each setting."""
    audit = next((method for method in grid.methods if method.name == AUDIT), None)
    if audit is None:
        return []
    return [
        (setting, tuple(_asked_for(grid, setting, audit, figure) for figure in FLAGS))
        for setting in grid.settings[:_MOST_AUDITS]
        if grid.of(setting, audit)
    ]


def _gaps(results: Results) -> list[Gap]:
    """Cells and figures without a number, by reason: failures first, then what is missing, what does not apply."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for result in results.ended("failed"):
        found.setdefault(("failed", result.reason), []).append(result.cell)
    for cell in results.missing:
        found.setdefault(("missing", "No result: the run has not come to it, or was stopped before."), []).append(cell)
    for result in results.ended("not_applicable"):
        found.setdefault(("not applicable", result.reason), []).append(result.cell)
    for result in results.ended("done"):
        refused: dict[str, list[str]] = {}
        for figure, measured in result.figures.items():
            if measured.value is None:
                refused.setdefault(measured.reason, []).append(FIGURES.get(figure, figure))
        for reason, figures in refused.items():
            found.setdefault(("no figure", f"{', '.join(figures)}: {reason}"), []).append(result.cell)
    return [
        Gap(
            state=state,
            reason=safe.text(reason, _REASON),
            count=len(there),
            where=tuple(describe(cell) for cell in there[:_MOST_PLACES]),
        )
        for (state, reason), there in found.items()
    ]


def describe(cell: Cell) -> str:
    """A cell in one line."""
    rate = "" if cell.rate is None else f" at {wording.share(cell.rate)}"
    names = (cell.attack_label or cell.attack, cell.data, cell.detector_label or cell.detector)
    attack, data, detector = (safe.text(name, cells.LABEL) for name in names)
    return f"{attack}{rate} in {data}, seed {cell.seed}, {detector}"


def _record(run: Run) -> tuple[str, list[tuple[str, str]]]:
    """When a run began, and what it takes to judge and repeat it."""
    ended = run.ended or "never: it was killed, or still runs"
    took = "" if run.seconds is None else f" after {wording.seconds(run.seconds)}"
    pairs = [
        ("Ended", f"{ended}{took}"),
        ("Workers", f"{run.workers}, {run.executor}" if run.executor else str(run.workers)),
        ("Cells to measure", f"{run.cells:,}"),
        ("Seeds", ", ".join(map(str, run.seeds[:100]))),
        ("Code (SHA-256 of the sources)", run.code),
        *((f"Argument {name}", str(value)) for name, value in run.arguments.items()),
        *((f"Version of {name}", value) for name, value in run.versions.items()),
        *((f"Hardware: {name}", value) for name, value in run.hardware.items()),
    ]
    shown = [(safe.text(name), safe.text(value)) for name, value in pairs[:_MOST_PAIRS]]
    return wording.moment(safe.text(run.started)), [("Command", safe.text(run.command, _COMMAND)), *shown]
