"""What is to be reached, figure by figure, and how each is shown."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a case.

    Parameters
    ----------
    name : its key among the figures of a result.
    title : in words.
    kind : how it is written. A "fact" is true or false, a "share" in [0, 1], a "change" a difference of shares.
    goal : bound on the median; for a fact what it must be at every seed; None where nothing is promised.
    at_least : the side on which the goal lies.
    """

    name: str
    title: str
    kind: Literal["fact", "share", "change", "area", "seconds", "number"]
    goal: float | None = None
    at_least: bool = True

    @property
    def wanted(self) -> str:
        """The goal in words."""
        if self.goal is None:
            return ""
        if self.kind == "fact":
            return "always" if self.goal else "never"
        return f"{'at least' if self.at_least else 'at most'} {_BOUND[self.kind](self.goal)}"

    def reached(self, values: Sequence[float]) -> bool:
        """Whether these values, one a seed, reach the goal."""
        if self.goal is None:
            return True
        if self.kind == "fact":
            return all(value == self.goal for value in values)
        median = statistics.median(values)
        return median >= self.goal if self.at_least else median <= self.goal

    def shown(self, values: Sequence[float]) -> tuple[str, str]:
        """Median and spread."""
        if self.kind == "fact":
            return f"{sum(map(int, values))} of {len(values)}", ""
        written = _WRITTEN[self.kind]
        return written(statistics.median(values)), f"{written(min(values))} - {written(max(values))}"


_WRITTEN: dict[str, Callable[[float], str]] = {
    "share": lambda value: f"{100 * value:.2f} %",
    "change": lambda value: f"{100 * value:+.2f} points",
    "area": lambda value: f"{value:.3f}",
    "seconds": lambda value: f"{value:.2f} s" if value < 10 else f"{value:.0f} s",
    "number": lambda value: f"{value:g}",
}
_BOUND: dict[str, Callable[[float], str]] = {
    "share": lambda value: f"{100 * value:g} %",
    "change": lambda value: f"{100 * value:+g} points",
    "area": lambda value: f"{value:g}",
    "seconds": lambda value: f"{value:g} s",
    "number": lambda value: f"{value:g}",
}

_UNTOUCHED = (
    Figure(name="backdoor_found", title="a backdoor is reported", kind="fact", goal=0),
    Figure(name="flagged", title="rows flagged", kind="share", goal=0.01, at_least=False),
    Figure(name="findings", title="findings of any kind", kind="number"),
    Figure(name="exit_status", title="exit status at the default gate", kind="number"),
    Figure(name="seconds", title="seconds of the audit", kind="seconds"),
)
_CLEAN = (Figure(name="accuracy", title="accuracy of a clean training", kind="share"),)
_BLAMED = (
    Figure(name="source_first", title="the source to blame is named first", kind="fact", goal=1),
    Figure(name="source_alone", title="no other source is blamed", kind="fact"),
)


def _backdoor(*, tpr: float, fpr: float) -> tuple[Figure, ...]:
    return (
        Figure(name="tpr", title="poisoned rows flagged (TPR)", kind="share", goal=tpr),
        Figure(name="fpr", title="other rows flagged (realised FPR)", kind="share", goal=fpr, at_least=False),
        Figure(name="confirmed", title="confirmed by experiment", kind="fact", goal=1),
        Figure(name="right_target", title="the target is named", kind="fact", goal=1),
        Figure(name="trigger_shown", title="the trigger is shown", kind="fact", goal=1),
        Figure(name="wrong_targets", title="backdoors reported for other classes", kind="number"),
        Figure(name="auroc", title="AUROC", kind="area"),
        Figure(name="ap", title="average precision", kind="area"),
        *_BLAMED,
        Figure(name="poisoned_asr", title="ASR before repair", kind="share"),
        Figure(name="relabel_asr", title="ASR after `relabel`", kind="share", goal=0.03, at_least=False),
        Figure(name="filter_asr", title="ASR after `filter`", kind="share", goal=0.03, at_least=False),
        Figure(name="poisoned_accuracy", title="accuracy before repair", kind="share"),
        Figure(name="relabel_change", title="accuracy after `relabel` less clean training", kind="change", goal=-0.01),
        Figure(name="filter_change", title="accuracy after `filter` less clean training", kind="change", goal=-0.01),
        Figure(name="seconds", title="seconds of the audit", kind="seconds"),
    )


def _flips(*, auroc: float | None) -> tuple[Figure, ...]:
    return (
        Figure(name="ap", title="average precision", kind="area"),
        Figure(name="cleanlab_ap", title="average precision of cleanlab, the better of its two scores", kind="area"),
        Figure(name="ap_lead", title="average precision less cleanlab's, seed by seed", kind="area", goal=0.0),
        Figure(name="auroc", title="AUROC", kind="area", goal=auroc),
        Figure(name="cleanlab_self_confidence_auroc", title="AUROC of cleanlab's self-confidence", kind="area"),
        Figure(name="cleanlab_normalized_margin_auroc", title="AUROC of cleanlab's normalised margin", kind="area"),
        Figure(name="tpr", title="flipped rows flagged (TPR)", kind="share"),
        Figure(name="fpr", title="other rows flagged (realised FPR)", kind="share"),
        Figure(name="precision", title="precision of the flags", kind="share"),
        Figure(name="cleanlab_tpr", title="TPR of cleanlab's default filter", kind="share"),
        Figure(name="cleanlab_fpr", title="realised FPR of cleanlab's default filter", kind="share"),
        Figure(name="cleanlab_precision", title="precision of cleanlab's default filter", kind="share"),
        *_BLAMED,
        Figure(name="seconds", title="seconds of the audit", kind="seconds"),
    )


_FOUNDATION: dict[str, tuple[Figure, ...]] = {
    **{f"untouched-{name}": _UNTOUCHED for name in ("digits", "breast_cancer", "pneumoniamnist", "adult")},
    **{f"untouched-{name}": _UNTOUCHED + _CLEAN for name in ("mnist5k", "fashion20k")},
    **{f"badnets-{name}": _backdoor(tpr=0.97, fpr=0.005) for name in ("mnist5k", "fashion20k")},
    **{f"blended-{name}": _backdoor(tpr=0.90, fpr=0.01) for name in ("mnist5k", "fashion20k")},
    "flips-uniform-mnist5k": _flips(auroc=0.98),
    "flips-7-to-1-mnist5k": _flips(auroc=0.98),
    "flips-age-adult": _flips(auroc=None),
    "speed-fashion20k": (
        Figure(name="seconds", title="seconds of the whole process", kind="seconds", goal=90, at_least=False),
        Figure(name="audit_seconds", title="seconds of the audit within", kind="seconds"),
    ),
    "start-up": (
        Figure(name="import_seconds", title="`import bezoar`", kind="seconds", goal=0.3, at_least=False),
        Figure(name="help_seconds", title="`bezoar --help`", kind="seconds", goal=0.3, at_least=False),
        Figure(name="python_seconds", title="Python alone, for comparison", kind="seconds"),
    ),
}
GOALS = {"foundation": _FOUNDATION}
