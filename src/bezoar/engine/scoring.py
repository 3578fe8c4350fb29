"""Row scores of every detector on one trace."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

from bezoar.core.detector import Unit
from bezoar.core.registry import detectors_of
from bezoar.core.report import Check, Status
from bezoar.core.shards import Spread, in_threads
from bezoar.core.trace import Trace
from bezoar.engine.parts import (
    FAILURES,
    Whole,
    grouped,
    moments_by_pieces,
    movable,
    scored_by_parts,
    scored_whole,
)
from bezoar.learn.device import side_by_side
from bezoar.maths.stats import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """(n,) scores by detector, and the detectors that failed with their reasons."""

    by_detector: dict[str, Floats]
    failed: tuple[Check, ...]


def score_rows(
    trace: Trace, detectors: tuple[str, ...] | None, tell: Callable[[float], None], *, spread: Spread = in_threads
) -> Scores:
    """Run row detectors by name, all of them where None. One that breaks is recorded and stops no other.

    On one machine each works on the whole trace, in threads that share what they compute. Where there are others, parts
    of the trace are sent there, and what fails there is tried again here; detectors that read inputs always work here.
    Scores are the same to the last digit on processors of one kind, and the same up to rounding on others.

    Parameters
    ----------
    tell : told the share of the detectors that is done.
    spread : who works on shards.
    """
    chosen = detectors_of(Unit.ROW) if detectors is None else detectors
    done = itertools.count(1)
    stop = Event()

    def score(name: str) -> Floats | Check:
        try:
            (given,) = spread.here(scored_whole, [Whole(trace, name)])
            return given["scores"]
        except FAILURES as error:
            return _failed(name, error)
        finally:
            tell(next(done) / len(chosen))

    def send(group: tuple[str, ...]) -> dict[str, Floats | Check]:
        try:
            scores = scored_by_parts(trace, group, moments, spread, stop)
        except FAILURES as error:
            return {name: _failed(name, error) for name in group}
        for _ in scores:
            tell(next(done) / len(chosen))
        return {**scores}

    sent = [] if spread.alone else [name for name in chosen if movable(name)]
    moments = moments_by_pieces(trace, sent, spread)
    results: dict[str, Floats | Check] = {}
    groups = grouped(sent)
    with ThreadPoolExecutor(len(groups) + 1) as pool:
        begun = [pool.submit(send, group) for group in groups]
        try:
            here = [name for name in chosen if name not in sent]
            results |= zip(here, side_by_side(score, here), strict=True)
            for each in begun:
                results |= each.result()
        finally:
            stop.set()
    again = [name for name in chosen if name not in results]
    results |= zip(again, side_by_side(score, again), strict=True)
    return Scores(
        by_detector={name: result for name in chosen if not isinstance(result := results[name], Check)},
        failed=tuple(result for name in chosen if isinstance(result := results[name], Check)),
    )


def _failed(name: str, error: BaseException) -> Check:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return Check(name=f"detector {name}", status=Status.FAILED, detail=reason)
