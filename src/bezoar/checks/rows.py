"""What detectors of rows must keep."""

import dataclasses
from typing import Any

import numpy as np

from bezoar.checks.made_up import planted_trace
from bezoar.checks.promises import fingerprint, promise
from bezoar.core.data import Modality
from bezoar.core.detector import Gathering, Need, Scope, Unit, scope_of
from bezoar.maths.stats import auroc

PLANTED_AUROC = 0.7
"""The least that a detector's ranking of a plainly planted case must reach; 0.5 is chance, below it the sign is wrong."""


def declares_what_it_scores_and_reads(method: type[Any]) -> None:
    """`unit` is a Unit and `needs` a tuple of Needs."""
    promise(method, isinstance(getattr(method, "unit", None), Unit), "has a `unit`")
    needs = getattr(method, "needs", ())
    stated = isinstance(needs, tuple) and bool(needs) and all(isinstance(need, Need) for need in needs)
    promise(method, stated, "has `needs`, a tuple of what it reads")


def scores_every_row_with_a_finite_number(method: type[Any]) -> None:
    """(n,) float64 without NaN or infinity, on images and on a table."""
    for modality in (Modality.IMAGE, Modality.TABLE):
        trace = planted_trace(modality).trace
        scores = method().score(trace)
        n = len(trace.data)
        promise(method, scores.shape == (n,), f"gives ({n},) scores for a {modality} set, not {scores.shape}")
        promise(method, scores.dtype == np.float64, f"gives float64 scores, not {scores.dtype}")
        promise(method, bool(np.isfinite(scores).all()), f"gives finite scores for a {modality} set")


def ranks_planted_rows_above_the_others(method: type[Any]) -> None:
    """Higher is more suspicious: on a case planted with every kind of clue the ranking is far better than chance."""
    case = planted_trace()
    reached = auroc(method().score(case.trace), case.poisoned)
    promise(method, reached >= PLANTED_AUROC, f"ranks planted rows first (AUROC {reached:.2f} < {PLANTED_AUROC})")


def scores_the_same_trace_the_same(method: type[Any]) -> None:
    """Two calls, one answer."""
    trace = planted_trace().trace
    promise(method, bool((method().score(trace) == method().score(trace)).all()), "repeats itself on the same trace")


def leaves_the_trace_alone(method: type[Any]) -> None:
    """The trace passed in is the same afterwards."""
    trace = planted_trace().trace
    before = fingerprint(trace)
    method().score(trace)
    promise(method, fingerprint(trace) == before, "leaves the trace it was given alone")


def reads_only_what_it_needs(method: type[Any]) -> None:
    """What `needs` does not name may hold anything, but for labels, classes and folds: the scores stay."""
    trace = planted_trace().trace
    parts = {Need.LOSSES: "losses", Need.HELD_OUT: "held_out", Need.FEATURES: "features"}
    unread = [name for need, name in parts.items() if need not in method.needs]
    inputs = trace.data.images if Need.INPUTS in method.needs else np.zeros_like(trace.data.images)
    numbered = np.arange(len(trace.data)).astype(np.str_)
    blank = dataclasses.replace(
        trace,
        data=dataclasses.replace(trace.data, inputs=inputs, ids=numbered, source=None),
        **{name: np.zeros_like(getattr(trace, name)) for name in unread},
    )
    same = np.array_equal(method().score(trace), method().score(blank))
    promise(method, same, f"reads only its `needs` ({', '.join(method.needs)})")


def compares_rows_within_its_scope_only(method: type[Any]) -> None:
    """Rows outside its `scope` may be there or not; its second step, where it has two, makes its scores."""
    trace, made = planted_trace().trace, method()
    scope = scope_of(method)
    if scope is Scope.SET:
        return
    compare = made.gather if isinstance(made, Gathering) else made.score
    whole = compare(trace)
    for rows in trace.blocks() if scope is Scope.BLOCK else trace.folds():
        part = dataclasses.replace(
            trace,
            data=trace.data.take(rows),
            losses=trace.losses[:, rows],
            held_out=trace.held_out[rows],
            features=trace.features[rows],
            fold=trace.fold[rows],
        )
        same = np.array_equal(compare(part), whole[rows])
        promise(method, same, f"compares rows within their {scope} only, as its `scope` says")
    if isinstance(made, Gathering):
        promise(method, np.array_equal(made.weigh(trace, whole), made.score(trace)), "weighs what it gathered")
