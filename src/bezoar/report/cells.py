"""A grid as tables need it: what was faced by whom, what was measured there, and why a number is not there."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bezoar.engine.grids.results import FIGURES, TRAINING, UNTOUCHED, Cell, Measured, Result, Results, digest
from bezoar.report import safe, wording

RANKING = ("auroc", "ap", "tpr_at_fpr1")
"""Figures by which detectors are ranked."""
AREAS = ("auroc", "ap")
"""Figures that are written as decimals; the other known ones are rates, written as per cent."""
SECONDS = "seconds"
"""The time of a cell, named as a figure is."""
NOT_MEASURED = "not measured"
"""Of a figure that a cell which ended well does not speak of."""
LABEL = 60
"""Characters of a name that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a detector faces, but for the seed: an attack with its settings, a data set, a rate, a recipe.

    Parameters
    ----------
    attack, data : their names.
    cell : one of its cells.
    """

    id: str
    attack: str
    data: str
    cell: Cell

    @property
    def rate(self) -> float | None:
        """Share of rows that is poisoned."""
        return self.cell.rate

    @property
    def untouched(self) -> bool:
        """Whether it is the control."""
        return self.cell.attack == UNTOUCHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A detector with its settings, or "training" or "audit"."""

    id: str
    name: str
    label: str

    @property
    def ranks(self) -> bool:
        """Whether it scores rows, and may stand on a leader board."""
        return self.name != TRAINING


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A figure over the seeds of a setting.

    Parameters
    ----------
    value : median over the seeds that have a number; None where none has.
    low, high : the least and the greatest of them; with one seed, the ends of the interval of that measurement.
    seeds, planned : how many have a number, and how many were planned.
    absent : how many of the others ended how, see :func:`absence`.
    """

    value: float | None
    low: float | None
    high: float | None
    seeds: int
    planned: int
    absent: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """The cells of a grid by setting, method and seed. All texts are fit to be shown.

    Parameters
    ----------
    figures : names of all figures that were measured somewhere, the known ones first.
    cells : results by seed, by the ids of setting and method; None where one is missing.
    """

    settings: tuple[Setting, ...]
    methods: tuple[Method, ...]
    figures: tuple[str, ...]
    cells: Mapping[tuple[str, str], Mapping[int, Result | None]]

    def of(self, setting: Setting, method: Method) -> Mapping[int, Result | None]:
        """The results by seed; None where one is missing. Empty where nothing was planned."""
        return self.cells.get((setting.id, method.id), {})

    def numbers(self, setting: Setting, method: Method, figure: str) -> dict[int, Measured]:
        """The figure by seed, where it is a number."""
        found = {}
        for seed, result in self.of(setting, method).items():
            if result is not None and result.status == "done":
                measured = result.figures.get(figure)
                if measured is not None and measured.value is not None:
                    found[seed] = measured
        return found

    def summary(self, setting: Setting, method: Method, figure: str) -> Summary:
        """The figure over all seeds."""
        cells = self.of(setting, method)
        numbers = list(self.numbers(setting, method, figure).values())
        values = [measured.value for measured in numbers if measured.value is not None]
        low, high = (min(values), max(values)) if len(values) > 1 else (None, None)
        if len(values) == 1:
            low, high = numbers[0].low, numbers[0].high
        absent: dict[str, int] = {}
        for result in cells.values():
            state, _ = absence(result, figure)
            if state:
                absent[state] = absent.get(state, 0) + 1
        return Summary(
            value=statistics.median(values) if values else None,
            low=low,
            high=high,
            seeds=len(values),
            planned=len(cells),
            absent=absent,
        )

    def seconds(self, setting: Setting, method: Method) -> float | None:
        """Median time of the cells that are done."""
        done = [result.seconds for result in self.of(setting, method).values() if result and result.status == "done"]
        return statistics.median(done) if done else None

    def training(self, setting: Setting) -> Method | None:
        """The method whose cells say what the attack did there."""
        return next((method for method in self.methods if not method.ranks and self.of(setting, method)), None)

    def changed(self, setting: Setting) -> int | None:
        """How many rows the attack changed there; the greatest number where seeds differ."""
        counts = [
            result.changed
            for method in self.methods
            for result in self.of(setting, method).values()
            if result is not None and result.changed is not None
        ]
        return max(counts, default=None)


def grid(results: Results) -> Grid:
    """The grid of a folder's results."""
    cells: dict[tuple[str, str], dict[int, Result | None]] = {}
    settings: dict[str, Cell] = {}
    methods: dict[str, Cell] = {}
    for key, cell in results.planned.items():
        setting, method = setting_id(cell), method_id(cell)
        settings.setdefault(setting, cell)
        methods.setdefault(method, cell)
        cells.setdefault((setting, method), {})[cell.seed] = results.results.get(key)
    attacks = _labels({attack_id(cell): cell.attack_label or cell.attack for cell in settings.values()})
    data = _labels({data_id(cell): cell.data for cell in settings.values()})
    labels = _labels({method: cell.detector_label or cell.detector for method, cell in methods.items()})
    seen = {name for result in results.results.values() for name in result.figures}
    return Grid(
        settings=tuple(
            Setting(id=setting, attack=attacks[attack_id(cell)], data=data[data_id(cell)], cell=cell)
            for setting, cell in settings.items()
        ),
        methods=tuple(Method(id=method, label=labels[method], name=cell.detector) for method, cell in methods.items()),
        figures=(*(name for name in FIGURES if name in seen), *sorted(seen.difference(FIGURES))),
        cells=cells,
    )


def absence(result: Result | None, figure: str) -> tuple[str, str]:
    """Why a cell has no such number, in a word and in full; two empty texts where it has one.

    The words are missing (no result), failed, not applicable, no figure (refused, with a reason) and not measured.
    """
    if result is None:
        return "missing", ""
    if result.status != "done":
        return result.status.replace("_", " "), result.reason
    measured = result.figures.get(figure)
    if measured is None:
        return NOT_MEASURED, ""
    return ("no figure", measured.reason) if measured.value is None else ("", "")


def in_words(figure: str, value: float) -> str:
    """A figure's value: areas as decimals, as the field writes them, other shares as per cent, unknown ones plainly."""
    if figure in AREAS:
        return f"{value:.3f}"
    return wording.share(value) if figure in FIGURES else wording.number(value, "s" if figure == SECONDS else "")


def spread(figure: str, low: float | None, high: float | None) -> str:
    """The ends of a figure's range or interval; empty where there are none."""
    if low is None or high is None:
        return ""
    return f"{in_words(figure, low)} to {in_words(figure, high)}"


def setting_id(cell: Cell) -> str:
    """What the cells of all seeds and detectors of a setting have in common."""
    return replace(cell, seed=0).row


def method_id(cell: Cell) -> str:
    """A detector with its settings."""
    return digest([cell.kind, cell.detector, dict(cell.detector_settings)])


def attack_id(cell: Cell) -> str:
    """An attack with its settings."""
    return digest([cell.kind, cell.attack, dict(cell.attack_settings)])


def data_id(cell: Cell) -> str:
    """A data set: its content where that is known, else its name."""
    return digest([cell.data_digest or cell.data])


def _labels(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts fit to be shown; where two things would look the same, each with the start of its digest."""
    shown = {name: safe.text(text, LABEL) for name, text in texts.items()}
    return {name: text if _once(text, shown.values()) else f"{text} [{name[:6]}]" for name, text in shown.items()}


def _once(text: str, among: Iterable[str]) -> bool:
    return sum(text == other for other in among) == 1
