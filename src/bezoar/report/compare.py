"""What got better or worse between two results of a grid, beyond what chance does."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bezoar.engine.grids.results import FIGURES, Cell, Measured, Result, Results, Run
from bezoar.maths.repeats import Shift, paired_shift, shift_of_intervals
from bezoar.maths.stats import Interval, adjusted_p
from bezoar.report import cells, safe
from bezoar.report.cells import SECONDS

DIRECTIONS: Final[Mapping[str, int]] = {
    "auroc": 1,
    "ap": 1,
    "tpr_at_fpr1": 1,
    "tpr": 1,
    "fpr": -1,
    "precision": 1,
    "accuracy": 1,
    "asr": 0,
    SECONDS: -1,
}
"""Whether more of a figure is better (1) or worse (-1). An attack that succeeds more often is neither: 0, as for figures
that are not known here."""


_ALL = "all figures"
_OWN = "judged by the chance in which rows were measured, and no other"
_NO_RUN = Run(id="", command="", started="")


class Verdict(StrEnum):
    """How a figure moved from A to B. Higher and lower are said of figures that have no better direction."""

    WORSE = "worse"
    BETTER = "better"
    HIGHER = "higher"
    LOWER = "lower"
    SAME = "no difference seen"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One figure of one detector in one setting, in A and in B.

    Parameters
    ----------
    attack, data, detector : names, fit to be shown.
    seeds : that have a number on both sides.
    settings : that the means are over.
    before, after : means over those seeds; None where there are none.
    difference, low, high : B minus A with its own 95 % interval, not corrected for the number of comparisons.
    p_value : corrected.
    reason : why it is not comparable; else what to know about it, or nothing.
    """

    attack: str
    data: str
    rate: float | None
    detector: str
    figure: str
    verdict: Verdict
    seeds: tuple[int, ...] = ()
    settings: int = 1
    before: float | None = None
    after: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All figures of two results of a grid.

    Parameters
    ----------
    a, b : names of the folders.
    code_a, code_b : digests of the sources that measured them.
    lost, gained : cells that were done in A and are not in B, and the other way round.
    overall : each figure of each detector over all settings in which both sides have the same seeds, the worse first.
    changes : figure by figure and setting by setting, the worse first.
    """

    a: str
    b: str
    code_a: tuple[str, ...]
    code_b: tuple[str, ...]
    level: float
    lost: int
    gained: int
    overall: tuple[Change, ...]
    changes: tuple[Change, ...]

    def having(self, verdict: Verdict) -> tuple[Change, ...]:
        """The figures with this verdict."""
        return tuple(change for change in self.changes if change.verdict is verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """The cells of a detector in a setting, on one side.

    Parameters
    ----------
    cell : one of them.
    seeds : that were planned.
    machines : hardware, executor and workers that measured them.
    """

    cell: Cell
    seeds: set[int] = field(default_factory=set)
    results: dict[int, Result] = field(default_factory=dict)
    machines: set[tuple[object, ...]] = field(default_factory=set)

    def done(self, seed: int) -> bool:
        """Whether the cell of this seed ended well."""
        return seed in self.results and self.results[seed].status == "done"

    @property
    def inapplicable(self) -> bool:
        """Whether every cell is said not to apply."""
        found = [self.results.get(seed) for seed in self.seeds]
        return all(result is not None and result.status == "not_applicable" for result in found)

    def numbers(self, figure: str) -> dict[int, Measured]:
        """The figure by seed, where it is a number."""
        found = {
            seed: Measured(value=result.seconds) if figure == SECONDS else result.figures.get(figure)
            for seed, result in self.results.items()
            if result.status == "done"
        }
        return {
            seed: measured for seed, measured in found.items() if measured is not None and measured.value is not None
        }

    def absent(self, figure: str) -> str:
        """Why seeds have no number, each reason once; empty where all have one."""
        states: dict[str, int] = {}
        for seed in sorted(self.seeds - self.numbers(figure).keys()):
            state, reason = cells.absence(self.results.get(seed), figure)
            told = f"{state} ({reason})" if reason else state
            states[told] = states.get(told, 0) + 1
        return ", ".join(f"{count} of {len(self.seeds)} {told}" for told, count in states.items())


def compare(a: Results, b: Results, *, level: float = 0.05) -> Comparison:
    """Compare B with A, figure by figure.

    Cells are matched by everything but the version of the code, and paired by seed. Where at least two seeds have a
    number on both sides, Student's test of the paired differences decides: it holds all that differs between
    seeds. With one seed, or where all pairs differ by exactly the same amount, the intervals that the two measurements
    brought along decide; they hold only the chance in which rows were measured, and the change says so.

    p-values are corrected by Benjamini and Hochberg, the overall means apart from the settings and seconds apart from
    the rest: in each of these families at most a share of `level` of what is called a change is expected to be chance,
    and where nothing changed anything at all is claimed in at most that share of comparisons. Seconds are compared where both sides ran on the same hardware with as many workers; what else ran
    there nobody knows. Nothing that failed or is missing enters as a number.

    Parameters
    ----------
    a, b : before and after.
    level : false discovery rate, in (0, 1).
    """
    left, right = _sides(a), _sides(b)
    pairs = [(left[name], right[name]) for name in left if name in right]
    by_detector: dict[tuple[str, str], list[tuple[_Side, _Side]]] = {}
    for before, after in pairs:
        for figure in _figures(before, after):
            by_detector.setdefault((cells.method_id(before.cell), figure), []).append((before, after))
    single = [_judge(before, after, figure) for before, after in pairs for figure in _figures(before, after)]
    overall = [_judge_all(members, figure) for (_, figure), members in by_detector.items() if len(members) > 1]
    return Comparison(
        a=safe.text(a.name),
        b=safe.text(b.name),
        code_a=_codes(a),
        code_b=_codes(b),
        level=level,
        lost=_done_only_in(left, right),
        gained=_done_only_in(right, left),
        overall=_corrected([one for one in overall if one is not None], level),
        changes=_corrected([*single, *((change, None) for change in _unmatched(left, right))], level),
    )


def dump(comparison: Comparison) -> str:
    """The comparison as JSON."""
    return json.dumps(dataclasses.asdict(comparison), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _sides(results: Results) -> dict[str, _Side]:
    runs = {run.id: run for run in results.runs}
    sides: dict[str, _Side] = {}
    for key, cell in results.planned.items():
        side = sides.setdefault(dataclasses.replace(cell, seed=0).identity, _Side(cell=cell))
        side.seeds.add(cell.seed)
        result = results.results.get(key)
        if result is not None:
            side.results[cell.seed] = result
            run = runs.get(result.run, _NO_RUN)
            side.machines.add((*sorted(run.hardware.items()), run.executor, run.workers))
    return sides


def _figures(before: _Side, after: _Side) -> list[str]:
    """What either side has a number of, known figures first; where none has any, whether they agree in that."""
    seen = {
        name
        for side in (before, after)
        for result in side.results.values()
        for name, measured in result.figures.items()
        if measured.value is not None
    }
    known = [name for name in FIGURES if name in seen] + sorted(seen.difference(FIGURES, {SECONDS}))
    if known or (before.numbers(SECONDS) and after.numbers(SECONDS)):
        return [*known, SECONDS]
    return [] if before.inapplicable and after.inapplicable else [_ALL]


def _judge(before: _Side, after: _Side, figure: str) -> tuple[Change, Shift | None]:
    there, here = before.numbers(figure), after.numbers(figure)
    seeds = sorted(there.keys() & here.keys())
    absent = "; ".join(f"{name}: {why}" for name, side in (("A", before), ("B", after)) if (why := side.absent(figure)))
    if not seeds:
        return _change(before.cell, figure, absent or "no seed in common"), None
    if figure == SECONDS and before.machines != after.machines:
        return _change(before.cell, figure, "other hardware, or another number of workers"), None
    shift, note = _shift([there[seed] for seed in seeds], [here[seed] for seed in seeds])
    change = dataclasses.replace(
        _change(before.cell, figure, "; ".join(filter(None, (note, absent)))),
        seeds=tuple(seeds),
        before=_mean([there[seed] for seed in seeds]),
        after=_mean([here[seed] for seed in seeds]),
    )
    return change, shift


def _judge_all(pairs: Sequence[tuple[_Side, _Side]], figure: str) -> tuple[Change, Shift | None] | None:
    """Means over settings, paired by seed: a small shift that every setting shares shows here first."""
    numbers = [(before.numbers(figure), after.numbers(figure)) for before, after in pairs]
    shared = Counter(tuple(sorted(there.keys() & here.keys())) for there, here in numbers)
    del shared[()]
    if not shared or (figure == SECONDS and any(before.machines != after.machines for before, after in pairs)):
        return None
    # The seeds that most settings have; a setting that lacks one of them stays out, so that all seeds have the same.
    seeds = max(shared, key=lambda seeds: (shared[seeds], len(seeds), seeds))
    chosen = [(there, here) for there, here in numbers if set(seeds) <= there.keys() & here.keys()]
    if len(chosen) < 2:
        return None
    means = [[_mean([pair[side][seed] for pair in chosen]) for seed in seeds] for side in (0, 1)]
    shift = paired_shift(means[0], means[1]) if len(seeds) > 1 else None
    out = len(pairs) - len(chosen)
    notes = [f"{out} of {len(pairs)} settings stay out: seeds without a number"] if out else []
    if shift is None:
        flat = [[pair[side][seed] for pair in chosen for seed in seeds] for side in (0, 1)]
        shift = _shift_of_measured(flat[0], flat[1])
        notes.append(_OWN if shift else "no spread between seeds to judge by, and no interval of its own")
    change = dataclasses.replace(
        _change(pairs[0][0].cell, figure, "; ".join(notes)),
        attack="all",
        data="all",
        rate=None,
        seeds=seeds,
        settings=len(chosen),
        before=sum(means[0]) / len(seeds),
        after=sum(means[1]) / len(seeds),
    )
    return change, shift


def _mean(measured: Sequence[Measured]) -> float:
    return float(sum(one.value or 0.0 for one in measured)) / len(measured)


def _shift(before: Sequence[Measured], after: Sequence[Measured]) -> tuple[Shift | None, str]:
    """The difference, and what to know about how it was judged."""
    if len(before) > 1:
        found = paired_shift([float(m.value or 0.0) for m in before], [float(m.value or 0.0) for m in after])
        if found is not None:
            return found, ""
    why = "one seed in common" if len(before) == 1 else "all seeds differ by the same amount"
    shift = _shift_of_measured(before, after)
    if shift is None:
        return None, f"{why}, and no interval of its own"
    return shift, f"{why}: {_OWN}"


def _shift_of_measured(before: Sequence[Measured], after: Sequence[Measured]) -> Shift | None:
    left, right = ([one for one in map(_interval, side) if one is not None] for side in (before, after))
    complete = len(left) == len(before) and len(right) == len(after)
    return shift_of_intervals(left, right) if complete else None


def _interval(measured: Measured) -> Interval | None:
    if measured.value is None or measured.low is None or measured.high is None:
        return None
    return Interval(measured.value, measured.low, measured.high, measured.n)


def _corrected(judged: Sequence[tuple[Change, Shift | None]], level: float) -> tuple[Change, ...]:
    """The changes with their verdicts, the worse first."""
    found = [change for change, shift in judged if shift is None]
    for timing in (False, True):
        family = [(change, shift) for change, shift in judged if shift and (change.figure == SECONDS) is timing]
        p_values = adjusted_p([shift.p_value for _, shift in family]).tolist()
        for (change, shift), p_value in zip(family, p_values, strict=True):
            found.append(
                dataclasses.replace(
                    change,
                    verdict=_verdict(change.figure, shift.value, p_value <= level),
                    difference=shift.value,
                    low=shift.low,
                    high=shift.high,
                    p_value=p_value,
                )
            )
    order = list(Verdict)
    return tuple(sorted(found, key=lambda change: (order.index(change.verdict), change.p_value or 0.0)))


def _verdict(figure: str, difference: float, beyond_noise: bool) -> Verdict:
    if not beyond_noise:
        return Verdict.SAME
    direction = DIRECTIONS.get(figure, 0) * difference
    if direction:
        return Verdict.BETTER if direction > 0 else Verdict.WORSE
    return Verdict.HIGHER if difference > 0 else Verdict.LOWER


def _change(cell: Cell, figure: str, reason: str) -> Change:
    names = (cell.attack_label or cell.attack, cell.data, cell.detector_label or cell.detector, figure)
    attack, data, detector, figure = (safe.text(name, cells.LABEL) for name in names)
    return Change(
        attack=attack,
        data=data,
        rate=cell.rate,
        detector=detector,
        figure=figure,
        verdict=Verdict.NOT_COMPARABLE,
        reason=safe.text(reason, 500),
    )


def _unmatched(left: Mapping[str, _Side], right: Mapping[str, _Side]) -> list[Change]:
    """What only one side planned; what looks the same on both is told once, with what differs."""
    only_a = {_looks(side.cell): side.cell for name, side in left.items() if name not in right}
    only_b = {_looks(side.cell): side.cell for name, side in right.items() if name not in left}
    changes = []
    for looks in dict.fromkeys([*only_a, *only_b]):
        if looks in only_a and looks in only_b:
            reason = f"not the same on both sides: {_differing(only_a[looks], only_b[looks])}"
        else:
            reason = "planned in A only" if looks in only_a else "planned in B only"
        changes.append(_change(only_a.get(looks) or only_b[looks], _ALL, reason))
    return changes


def _looks(cell: Cell) -> tuple[str, str, str, float | None, str]:
    return cell.kind, cell.attack_label or cell.attack, cell.data, cell.rate, cell.detector_label or cell.detector


def _differing(a: Cell, b: Cell) -> str:
    parts = {
        "the rows": (a.data_digest, b.data_digest),
        "the attack's settings": (a.attack_settings, b.attack_settings),
        "the detector's settings": (a.detector_settings, b.detector_settings),
        "the recipe": (a.recipe, b.recipe),
    }
    return ", ".join(name for name, (one, other) in parts.items() if one != other) or "the names"


def _done_only_in(one: Mapping[str, _Side], other: Mapping[str, _Side]) -> int:
    """Cells that are done on one side and planned, yet not done, on the other."""
    return sum(
        result.status == "done" and seed in other[name].seeds and not other[name].done(seed)
        for name, side in one.items()
        if name in other
        for seed, result in side.results.items()
    )


def _codes(results: Results) -> tuple[str, ...]:
    return tuple(dict.fromkeys(safe.text(run.code) for run in results.runs if run.code))
