"""Security evaluation curves: the strength of an attack against its effect, and against how well it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bezoar.engine.grids.results import FIGURES
from bezoar.report import svg, wording
from bezoar.report.cells import AREAS, Grid, Method, Setting, Summary

_MOST_TICKS = 4
_CHANCE = 0.5
_EFFECT = (("asr", 3), ("accuracy", 0))
"""Figures of a training, and their styles."""
_DECIMALS = tuple((tick / 10, f"{tick / 10:.1f}") for tick in range(0, 11, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The curves of one attack on one set.

    Parameters
    ----------
    effect : attack success and clean accuracy; None where the attack has no rate or nothing was measured.
    detection : a chart for each figure that was measured.
    drawn : the detectors in them; one's place is its style.
    left_out : detectors with numbers that are not drawn.
    """

    attack: str
    data: str
    effect: Markup | None
    detection: tuple[tuple[str, Markup], ...]
    drawn: tuple[tuple[int, Method], ...]
    left_out: int


def evaluation(
    grid: Grid, methods: Sequence[Method], figures: Sequence[str], settings: Sequence[Setting]
) -> Evaluation:
    """The curves of the settings of one attack on one set.

    Parameters
    ----------
    methods : that rank rows, best first. A detector has the same style in all charts; those past the last are left out.
    figures : of their ranking.
    settings : in order of their rates.
    """
    rated = [setting for setting in settings if setting.rate]
    known = [method for method in methods if any(grid.numbers(s, method, f) for s in rated for f in figures)]
    drawn = [(style, method) for style, method in enumerate(methods[: svg.STYLES]) if method in known]
    return Evaluation(
        attack=settings[0].attack,
        data=settings[0].data,
        effect=_effect(grid, rated),
        detection=tuple((f, chart) for f in figures if (chart := _detection(grid, drawn, f, rated)) is not None),
        drawn=tuple(drawn),
        left_out=len(known) - len(drawn),
    )


def _effect(grid: Grid, settings: Sequence[Setting]) -> Markup | None:
    def summarised(figure: str) -> list[Summary | None]:
        found = [(setting, grid.training(setting)) for setting in settings]
        return [grid.summary(setting, method, figure) if method else None for setting, method in found]

    series = [(style, FIGURES[figure], summarised(figure)) for figure, style in _EFFECT]
    return _chart(grid, settings, series, ("effect", svg.SHARE_TICKS), _untouched(grid, settings))


def _untouched(grid: Grid, settings: Sequence[Setting]) -> list[float]:
    """Clean accuracy of a training on the same set as it came, where that was measured."""
    found = []
    for setting in grid.settings:
        method = grid.training(setting)
        if setting.untouched and method and any(setting.data == other.data for other in settings):
            value = grid.summary(setting, method, "accuracy").value
            found += [] if value is None else [value]
    return found[:1]


def _detection(
    grid: Grid, drawn: Sequence[tuple[int, Method]], figure: str, settings: Sequence[Setting]
) -> Markup | None:
    # The best is drawn last, on top of the others.
    series = [
        (style, method.label, [grid.summary(setting, method, figure) for setting in settings])
        for style, method in reversed(drawn)
    ]
    levels = [_CHANCE] if figure == "auroc" else []
    return _chart(grid, settings, series, (FIGURES[figure], _DECIMALS if figure in AREAS else svg.SHARE_TICKS), levels)


def _chart(
    grid: Grid,
    settings: Sequence[Setting],
    series: Sequence[tuple[int, str, Sequence[Summary | None]]],
    y: tuple[str, tuple[tuple[float, str], ...]],
    levels: Sequence[float],
) -> Markup | None:
    """One chart; None where there is no number in it."""
    rates = [setting.rate or 0.0 for setting in settings]
    lines = [
        (style, name, [_reading(rate, s) for rate, s in zip(rates, found, strict=True)])
        for style, name, found in series
    ]
    told = [
        f"{name}: " + ", ".join(f"{p.y:.2f} at {wording.share(p.x)}" for p in points if p)
        for _, name, points in lines
        if any(points)
    ]
    if not told:
        return None
    every = -(-len(settings) // _MOST_TICKS)
    name, ticks = y
    return svg.curves(
        [svg.Series(points=tuple(points), style=style) for style, _, points in lines],
        x=svg.Axis(
            low=rates[0] / 1.5,
            high=rates[-1] * 1.5,
            ticks=tuple((s.rate or 0.0, _tick(grid, s)) for s in settings[::every]),
            name="share and number of rows that were changed",
            log=True,
        ),
        y=svg.Axis(low=0, high=1, ticks=ticks, name=name),
        alt=f"{name} against the share of rows changed by {settings[0].attack} in {settings[0].data}. {'; '.join(told)}.",
        levels=levels,
    )


def _reading(rate: float, found: Summary | None) -> svg.Reading | None:
    if found is None or found.value is None:
        return None
    low, high = (found.value if end is None else end for end in (found.low, found.high))
    return svg.Reading(x=rate, y=found.value, low=low, high=high)


def _tick(grid: Grid, setting: Setting) -> str:
    changed = grid.changed(setting)
    return wording.share(setting.rate or 0.0) + ("" if changed is None else f"\n{changed:,}")
