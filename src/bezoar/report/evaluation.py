"""How well a report's flags and ranking agree with the truth, where the truth is known."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from markupsafe import Markup
from numpy.typing import NDArray

from bezoar.core.errors import InputError
from bezoar.core.report import Report
from bezoar.maths.curves import Curve, Ranking, judge_ranking
from bezoar.maths.stats import Interval, wilson
from bezoar.report import html, safe, svg, wording


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A figure with its 95 % interval and the number of rows it rests on.

    ``value`` is None where there is nothing to take a share of, such as the precision of no alarm.
    """

    value: float | None
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Figures of the flags (tpr, fpr, precision) and of the ranking (auroc, ap), and the ranking's curves.

    ``never_read`` counts rows of the truth that the report does not hold: they count as not flagged and come last.
    """

    name: str
    rows: int
    changed: int
    never_read: int
    figures: dict[str, Rate]
    ranking: Ranking


def read_truth(path: Path) -> dict[str, bool]:
    """Whether each row was changed, by id, from a Parquet file with the columns ``id`` and ``changed``.

    Raises
    ------
    InputError
        No such file, no Parquet, a column missing or of another type, an id twice.
    """
    try:
        table = pq.read_table(path, memory_map=False)
    except OSError as error:
        raise InputError(f"{path}: the truth cannot be read: {error.strerror or error}.") from error
    except pa.ArrowException as error:
        raise InputError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}.") from error
    missing = [name for name in ("id", "changed") if name not in table.column_names]
    if missing:
        raise InputError(f"{path}: no column {' and '.join(missing)}.")
    if not pa.types.is_boolean(table.schema.field("changed").type) or table["changed"].null_count:
        raise InputError(
            f"{path}: column changed must be true or false in every row. Got {table.schema.field('changed').type}."
        )
    ids = list(map(str, table["id"].to_pylist()))
    truth = dict(zip(ids, table["changed"].to_pylist(), strict=True))
    if len(truth) != len(ids):
        raise InputError(f"{path}: {len(ids) - len(truth)} ids occur more than once.")
    return truth


def evaluate(report: Report, truth: dict[str, bool], rng: np.random.Generator) -> Evaluation:
    """Judge the report by the truth.

    The ranking is the column ``score`` of the rows where there is one, else the p-values, smallest first. Ties
    count half in the AUROC and enter together elsewhere.

    Parameters
    ----------
    report : with its rows.
    truth : whether each row was changed, by id.
    rng : for the bootstrap.

    Raises
    ------
    InputError
        Rows that the truth does not name, or a truth with no changed or no unchanged row.
    """
    flagged, scores, changed, never_read = _joined(report, truth)
    if not changed.any() or changed.all():
        what = "no row was changed" if not changed.any() else "every row was changed"
        raise InputError(f"truth: {what}, so there is nothing to tell apart. Both kinds are needed.")
    ranking = judge_ranking(scores, changed, rng)
    hits = int((flagged & changed).sum())
    figures = {
        "tpr": _share(hits, int(changed.sum())),
        "fpr": _share(int((flagged & ~changed).sum()), int((~changed).sum())),
        "precision": _share(hits, int(flagged.sum())),
        "auroc": _rate(ranking.auroc),
        "ap": _rate(ranking.ap),
    }
    return Evaluation(
        name=report.dataset.name,
        rows=len(changed),
        changed=int(changed.sum()),
        never_read=never_read,
        figures=figures,
        ranking=ranking,
    )


def render(evaluation: Evaluation) -> str:
    """One self-contained page with the figures and both curves."""
    roc, precision_recall = evaluation.ranking.roc, evaluation.ranking.precision_recall
    figures = evaluation.figures
    pictures = [
        (
            "Precision against recall",
            _chart(_line(precision_recall, steps=True), precision_recall, "recall", "precision", figures["ap"]),
        ),
        (
            "True against false positive rate",
            _chart(_line(roc, steps=False), roc, "false positive rate", "true positive rate", figures["auroc"]),
        ),
    ]
    return (
        html.environment()
        .get_template("evaluation.html")
        .render(
            name=safe.text(evaluation.name),
            evaluation=evaluation,
            titles=TITLES,
            words={name: in_words(name, rate) for name, rate in figures.items()},
            charts=pictures,
        )
    )


TITLES = {
    "tpr": "True positive rate",
    "fpr": "False positive rate",
    "precision": "Precision",
    "auroc": "AUROC",
    "ap": "Average precision",
}


def in_words(name: str, rate: Rate) -> tuple[str, str]:
    """A figure's value and interval: areas as decimals, as the field writes them, rates as per cent."""
    if name in ("auroc", "ap"):
        return f"{rate.value:.3f}", f"{rate.low:.3f} to {rate.high:.3f}"
    value = wording.share(rate.value) if rate.value is not None else "undefined"
    return value, wording.interval(rate.low, rate.high)


def _joined(
    report: Report, truth: dict[str, bool]
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_], int]:
    ids = list(map(str, report.rows["id"].to_pylist()))
    unknown = [row for row in ids if row not in truth]
    if unknown:
        raise InputError(
            f"truth: {len(unknown):,} of {len(ids):,} rows of the report are missing, such as {safe.text(unknown[0])!r}."
        )
    ranking = "score" if "score" in report.rows.column_names else "p_value"
    scores = report.rows[ranking].to_numpy().astype(np.float64)
    # A row without a p-value was not tested: the least suspicious place is the honest one.
    scores = np.nan_to_num(scores, nan=-np.inf) if ranking == "score" else -np.nan_to_num(scores, nan=1.0)
    never_read = set(truth).difference(ids)
    least = scores[np.isfinite(scores)].min(initial=0.0) - 1
    scores = np.concatenate([np.where(np.isfinite(scores), scores, least), np.full(len(never_read), least)])
    flagged = np.concatenate([report.rows["flagged"].to_numpy().astype(bool), np.zeros(len(never_read), dtype=bool)])
    changed = np.array([truth[row] for row in ids] + [truth[row] for row in sorted(never_read)], dtype=bool)
    return flagged, scores, changed, len(never_read)


def _share(successes: int, n: int) -> Rate:
    return _rate(wilson(successes, n)) if n else Rate(value=None, low=0.0, high=1.0, n=0)


def _rate(interval: Interval) -> Rate:
    return Rate(value=interval.value, low=interval.low, high=interval.high, n=interval.n)


def _chart(points: list[svg.Point], curve: Curve, x: str, y: str, area: Rate) -> Markup:
    band = list(zip(curve.grid.tolist(), curve.low.tolist(), curve.high.tolist(), strict=True))
    value, between = in_words("auroc", area)
    return svg.curve(
        points,
        band,
        x=svg.Axis(low=0, high=1, ticks=svg.SHARE_TICKS, name=x),
        y=svg.Axis(low=0, high=1, ticks=svg.SHARE_TICKS, name=y),
        alt=f"{y} against {x}, with a 95 % band. The area under the curve is {value}, 95 % interval {between}.",
        diagonal=y == "true positive rate",
    )


def _line(curve: Curve, *, steps: bool, most: int = 1500) -> list[svg.Point]:
    """The curve's points, or evenly chosen ones of more than a screen can show; as steps where none lies between two."""
    chosen = np.unique(np.linspace(0, len(curve.x) - 1, min(most, len(curve.x))).astype(int))
    points = list(zip(curve.x[chosen].tolist(), curve.y[chosen].tolist(), strict=True))
    if not steps:
        return points
    corners = [[(before[0], after[1]), after] for before, after in itertools.pairwise(points)]
    return [points[0], *itertools.chain.from_iterable(corners)]
