"""Small charts as inline SVG: pure functions of numbers. Colours come from the page's style sheet."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Point = tuple[float, float]
Place = Callable[[float], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: its ends in data units, its ticks with their texts, its name. Logarithmic or not."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    name: str
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies between the ends, in [0, 1]; values outside lie at the end."""
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, max(value, self.low)))
        return min(max((at - low) / (high - low), 0.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A value at x with the ends of its band."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a chart with several.

    Parameters
    ----------
    points : in order of x. None breaks the line: nothing is known there.
    style : which of the colours and marks, counted from 0; they repeat after :data:`STYLES`.
    """

    points: tuple[Reading | None, ...]
    style: int = 0


STYLES = 8
_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.7-3.7H3.7V3.7H-3.7z",
    "M0-5.2 5.2 0 0 5.2-5.2 0z",
    "M0-5 4.8 3.6H-4.800z",
)
SHARE_TICKS = tuple((tick / 100, f"{tick} %") for tick in (0, 25, 50, 75, 100))


def interval_bar(value: float, low: float | None, high: float | None, *, control: float | None = None) -> Markup:
    """A share in [0, 1] as a dot, its interval as a line, the control as a hollow square. The numbers stand beside it."""
    width, height, pad = 160, 20, 6
    marks = [f'<line class="rail" x1="{pad}" x2="{width - pad}" y1="10" y2="10"/>']

    def at(share: float) -> str:
        return f"{pad + min(max(share, 0.0), 1.0) * (width - 2 * pad):.1f}"

    if low is not None and high is not None:
        marks.append(f'<line class="band-line" x1="{at(low)}" x2="{at(high)}" y1="10" y2="10"/>')
    if control is not None:
        marks.append(f'<rect class="control" x="{float(at(control)) - 4:.1f}" y="6" width="8" height="8"/>')
    marks.append(f'<circle class="dot" cx="{at(value)}" cy="10" r="4.5"/>')
    return _svg(width, height, "".join(marks), "gauge", hidden=True)


def curve(
    points: Sequence[Point],
    band: Sequence[tuple[float, float, float]],
    *,
    x: Axis,
    y: Axis,
    alt: str,
    dots: bool = False,
    diagonal: bool = False,
) -> Markup:
    """A line with its interval band.

    Parameters
    ----------
    points : (x, y) in drawing order.
    band : (x, low, high) in order of x; drawn behind the line.
    x, y : axes.
    alt : what the chart shows, for those who cannot see it.
    dots : mark the points and their intervals.
    diagonal : draw the line of chance.
    """
    width, height, left, right, top, bottom = 340, 240, 50, 22, 12, 44

    def px(value: float) -> str:
        return f"{left + x.place(value) * (width - left - right):.1f}"

    def py(value: float) -> str:
        return f"{height - bottom - y.place(value) * (height - top - bottom):.1f}"

    marks = [_frame(x, y, (px, py), (left, width - right, height - bottom))]
    if diagonal:
        marks.append(f'<line class="chance" x1="{px(0)}" y1="{py(0)}" x2="{px(1)}" y2="{py(1)}"/>')
    if len(band) > 1:
        edge = [f"{px(at)},{py(high)}" for at, _, high in band] + [f"{px(at)},{py(low)}" for at, low, _ in band[::-1]]
        marks.append(f'<polygon class="band" points="{" ".join(edge)}"/>')
    if len(points) > 1:
        marks.append(f'<polyline class="line" points="{" ".join(f"{px(a)},{py(b)}" for a, b in points)}"/>')
    if dots:
        marks.extend(
            f'<line class="whisker" x1="{px(at)}" x2="{px(at)}" y1="{py(low)}" y2="{py(high)}"/>'
            for at, low, high in band
        )
        marks.extend(f'<circle class="dot" cx="{px(a)}" cy="{py(b)}" r="4.5"/>' for a, b in points)
    return _svg(width, height, "".join(marks), "chart", alt=alt)


def curves(series: Sequence[Series], *, x: Axis, y: Axis, alt: str, levels: Sequence[float] = ()) -> Markup:
    """Several lines with their bands and marks; the last is drawn on top.

    Parameters
    ----------
    series : what is drawn; which line is which is said beside the chart, with :func:`sign`.
    x, y : axes. A tick's text may hold a line break.
    alt : what the chart shows, for those who cannot see it.
    levels : heights of dashed lines across.
    """
    width, height, left, right, top, bottom = 340, 262, 50, 22, 12, 62

    def px(value: float) -> str:
        return f"{left + x.place(value) * (width - left - right):.1f}"

    def py(value: float) -> str:
        return f"{height - bottom - y.place(value) * (height - top - bottom):.1f}"

    marks = [_frame(x, y, (px, py), (left, width - right, height - bottom))]
    for value in levels:
        marks.append(f'<line class="chance" x1="{left}" x2="{width - right}" y1="{py(value)}" y2="{py(value)}"/>')
    for one in series:
        marks.append(f'<g class="s{one.style % STYLES}">')
        # Runs of readings between gaps: what is unknown is not drawn over.
        for known, run in itertools.groupby(one.points, lambda point: point is not None):
            if known:
                marks.append(_run([point for point in run if point is not None], px, py, one.style))
        marks.append("</g>")
    return _svg(width, height, "".join(marks), "chart", alt=alt)


def sign(style: int | None) -> Markup:
    """The line and mark of a series, or the dashed line of a level where None, to stand before its name."""
    if style is None:
        body = '<path class="chance" d="M1 8H25"/>'
    else:
        body = f'<g class="s{style % STYLES}"><path class="line" d="M2 8H24"/>{_mark(style, "13", "8")}</g>'
    return _svg(26, 16, body, "sign", hidden=True)


def _run(points: Sequence[Reading], px: Place, py: Place, style: int) -> str:
    drawn = [(px(p.x), py(p.y), py(p.low), py(p.high)) for p in points]
    marks = []
    if len(drawn) > 1:
        edge = [f"{x},{high}" for x, _, _, high in drawn] + [f"{x},{low}" for x, _, low, _ in drawn[::-1]]
        marks.append(f'<polygon class="band" points="{" ".join(edge)}"/>')
        marks.append(f'<polyline class="line" points="{" ".join(f"{x},{y}" for x, y, _, _ in drawn)}"/>')
    else:
        marks.extend(f'<line class="whisker" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>' for x, _, low, high in drawn)
    marks.extend(_mark(style, x, y) for x, y, _, _ in drawn)
    return "".join(marks)


def _mark(style: int, x: str, y: str) -> str:
    """One of eight shapes around a point: four filled, four hollow."""
    shape = _SHAPES[style % len(_SHAPES)]
    hollow = " hollow" if style % STYLES >= len(_SHAPES) else ""
    return f'<path class="dot{hollow}" transform="translate({x} {y})" d="{shape}"/>'


def _frame(x: Axis, y: Axis, place: tuple[Place, Place], box: tuple[int, int, int]) -> str:
    px, py = place
    left, right, bottom = box
    marks = []
    for value, label in y.ticks:
        marks.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{py(value)}" y2="{py(value)}"/>')
        marks.append(f'<text x="{left - 7}" y="{py(value)}" dy="0.34em" text-anchor="end">{escape(label)}</text>')
    for value, label in x.ticks:
        marks.append(f'<line class="tick" x1="{px(value)}" x2="{px(value)}" y1="{bottom}" y2="{bottom + 4}"/>')
        for line, text in enumerate(label.split("\n")):
            at = f'x="{px(value)}" y="{bottom + 17 + 15 * line}" text-anchor="middle"'
            marks.append(f"<text {at}>{escape(text)}</text>")
    lines = max((label.count("\n") for _, label in x.ticks), default=0)
    at = f'x="{(left + right) / 2}" y="{bottom + 36 + 15 * lines}" text-anchor="middle"'
    marks.append(f'<text class="axis" {at}>{escape(x.name)}</text>')
    marks.append(f'<line class="tick" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    return "".join(marks)


def _svg(width: int, height: int, body: str, kind: str, *, alt: str = "", hidden: bool = False) -> Markup:
    role = Markup('aria-hidden="true"') if hidden else Markup('role="img" aria-label="{}"').format(alt)
    return Markup('<svg class="{}" viewBox="0 0 {} {}" width="{}" height="{}" {}>{}</svg>').format(
        kind, width, height, width, height, role, Markup(body)
    )
