"""A comparison of two results of a grid, shown on a terminal and as a page."""

from collections import Counter

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bezoar.engine.grids.results import FIGURES
from bezoar.report import html, wording
from bezoar.report.cells import AREAS, SECONDS, in_words
from bezoar.report.compare import Change, Comparison, Verdict
from bezoar.report.wording import Tone

_STYLES = {
    Verdict.WORSE: "bold red",
    Verdict.BETTER: "bold green",
    Verdict.HIGHER: "cyan",
    Verdict.LOWER: "cyan",
    Verdict.SAME: "",
    Verdict.NOT_COMPARABLE: "magenta",
}
_MOVED = (Verdict.WORSE, Verdict.BETTER, Verdict.HIGHER, Verdict.LOWER)
_MOST_LINES, _MOST_REASONS = 20, 8
_MOST_ROWS = {Verdict.NOT_COMPARABLE: 500, Verdict.SAME: 2000}
_MOST_MOVED = 1500
"""Limits that keep the page under 5 MB."""


def terminal(comparison: Comparison) -> Group:
    """What to print with a ``rich`` console."""
    parts: list[RenderableType] = [
        Text(headline(comparison), "bold"),
        Text(sides(comparison)),
        Text(chance(comparison)),
    ]
    for title, found in (("Over all settings", comparison.overall), ("Setting by setting", comparison.changes)):
        moved = [change for change in found if change.verdict in _MOVED]
        parts += [Text(), Text(f"{title}: {tally(found)}", "bold")]
        if moved:
            parts.append(_table(moved[:_MOST_LINES]))
        if len(moved) > _MOST_LINES:
            parts.append(Text(f"{len(moved) - _MOST_LINES:,} more; --json and the page have them all", "dim"))
    reasons = Counter(change.reason for change in comparison.having(Verdict.NOT_COMPARABLE))
    for reason, count in reasons.most_common(_MOST_REASONS):
        parts.append(Text(f"Not comparable, {count:,} times: {reason}", _STYLES[Verdict.NOT_COMPARABLE]))
    if len(reasons) > _MOST_REASONS:
        parts.append(Text(f"{len(reasons) - _MOST_REASONS:,} more reasons", "dim"))
    return Group(*parts)


def page(comparison: Comparison) -> str:
    """One self-contained page: over all settings first, then what moved, what did not, what could not be compared."""
    groups = []
    for verdict in Verdict:
        found = comparison.having(verdict)
        most = _MOST_ROWS.get(verdict, _MOST_MOVED)
        if found:
            groups.append((verdict, found[:most], max(len(found) - most, 0)))
    return (
        html.environment()
        .get_template("compare.html")
        .render(
            comparison=comparison,
            tone=_tone(comparison),
            headline=headline(comparison),
            sides=sides(comparison),
            chance=chance(comparison),
            tallies=[
                (verdict, _count(comparison.changes, verdict), _count(comparison.overall, verdict))
                for verdict in Verdict
            ],
            overall=comparison.overall[:_MOST_MOVED],
            groups=groups,
            titles=FIGURES,
            in_words=in_words,
            shift_in_words=shift_in_words,
            between=between,
        )
    )


def headline(comparison: Comparison) -> str:
    """What moved, in one sentence; lost cells are never left unsaid."""
    everything = (*comparison.overall, *comparison.changes)
    worse = sum(change.verdict is Verdict.WORSE for change in everything)
    better = sum(change.verdict is Verdict.BETTER for change in everything)
    moved = sum(change.verdict in _MOVED for change in everything)
    if worse or better:
        said = f"{worse:,} worse, {better:,} better."
    elif moved:
        said = "Nothing is better or worse; some figures that are neither moved."
    elif all(change.verdict is Verdict.NOT_COMPARABLE for change in everything):
        said = "Nothing can be compared."
    else:
        said = "No difference seen."
    lost = f" Cells done in A and not in B: {comparison.lost:,}." if comparison.lost else ""
    return f"{said}{lost}"


def sides(comparison: Comparison) -> str:
    """What A and B are, and whether the same code measured them."""
    same = "by the same code" if comparison.code_a == comparison.code_b else "by another version of the code"
    a, b = (", ".join(code[:8] for code in codes) or "unknown" for codes in (comparison.code_a, comparison.code_b))
    return f"A is {comparison.a} (code {a}), B is {comparison.b} (code {b}), measured {same}."


def chance(comparison: Comparison) -> str:
    """How often such a comparison is wrong."""
    return (
        f"In either table, of the differences that are claimed at most {wording.share(comparison.level)} are expected "
        "to be chance. "
        "Intervals are 95 % each, not corrected; where one leaves 0 out and no difference is claimed, the number of "
        "comparisons is why."
    )


def tally(changes: tuple[Change, ...]) -> str:
    """How many of each verdict."""
    counts = Counter(change.verdict for change in changes)
    return ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in Verdict if counts[verdict]) or "nothing"


def shift_in_words(figure: str, value: float) -> str:
    """A difference with its sign: areas as decimals, shares in percentage points, times in seconds."""
    return f"{_signed(figure, value)}{_unit(figure)}"


def between(figure: str, low: float, high: float) -> str:
    """The ends of a difference's interval."""
    return f"{_signed(figure, low)} to {_signed(figure, high)}{_unit(figure)}"


def _signed(figure: str, value: float) -> str:
    if figure in AREAS:
        said = f"{value:+.3f}"
    else:
        said = f"{100 * value:+.2f}" if figure in FIGURES else f"{value:+.3g}"
    return said.replace("-", "\N{MINUS SIGN}") if float(said) else "0"


def _unit(figure: str) -> str:
    if figure == SECONDS:
        return "\u00a0s"
    return "\u00a0points" if figure in FIGURES and figure not in AREAS else ""


def _count(changes: tuple[Change, ...], verdict: Verdict) -> int:
    return sum(change.verdict is verdict for change in changes)


def _tone(comparison: Comparison) -> Tone:
    verdicts = {change.verdict for change in (*comparison.overall, *comparison.changes)}
    if Verdict.WORSE in verdicts:
        return Tone.SUSPICIOUS
    comparable = verdicts - {Verdict.NOT_COMPARABLE}
    return Tone.UNKNOWN if comparison.lost or not comparable else Tone.CLEAN


def _table(changes: list[Change]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in ("Verdict", "Detector", "Figure", "Attack", "Data"):
        table.add_column(name, overflow="fold")
    for name in ("Rate", "A", "B", "B minus A", "95 % interval", "p"):
        table.add_column(name, justify="right", overflow="fold")
    for change in changes:
        table.add_row(
            *(Text(cell, _STYLES[change.verdict] if at == 0 else "") for at, cell in enumerate(_cells(change)))
        )
    return table


def _cells(change: Change) -> tuple[str, ...]:
    figure = change.figure

    def number(value: float | None) -> str:
        return "" if value is None else in_words(figure, value)

    difference, interval = "", ""
    if change.difference is not None and change.low is not None and change.high is not None:
        difference, interval = shift_in_words(figure, change.difference), between(figure, change.low, change.high)
    return (
        change.verdict,
        change.detector,
        FIGURES.get(figure, figure),
        change.attack,
        change.data,
        "" if change.rate is None else wording.share(change.rate),
        number(change.before),
        number(change.after),
        difference,
        interval,
        "" if change.p_value is None else wording.p_value(change.p_value),
    )
