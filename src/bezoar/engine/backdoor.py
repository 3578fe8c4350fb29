"""Backdoor hypotheses from suspects, and the experiment that confirms or refutes them."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.trigger import Stamp
from bezoar.learn.device import side_by_side
from bezoar.learn.fitted import CrossFit
from bezoar.learn.picked import Picked
from bezoar.learn.training import shrink
from bezoar.maths.matched_filter import Background, Match, background, decoy_threshold, matches
from bezoar.maths.stamps import recover_stamps, sampled
from bezoar.maths.stats import Floats, Interval, wilson

FILTER_DIMENSIONS = 3_072
"""Images are shrunk to at most so many values for the search; triggers are recovered at full size."""
PROBES = 300
"""Rows of other classes that a stamp is tried on: the first to choose the stamp, the rest to count."""
SCREENED = 80
"""How many of them choose."""
WORTH_COUNTING = 0.1
"""Share of those that a stamp must turn to be worth counting."""
FALSE_DISCOVERIES = 0.01
"""Share of a backdoor's flagged rows that may be false, as the null predicts it."""


OPAQUE = 0.9
"""Weight of a stamp's pixel above which nothing of the image under it is left."""
SLACK = 2.0
"""Grey levels by which a row may show an opaque pattern less exactly than most."""
NULL_ROWS = 5_000
"""Rows of other classes that the search for a pattern is held against."""
SUSPECT_SHARES = (0.02, 0.1)
"""Shares of a class, by each detector's score, from which a search starts."""
_VALUES = 2**20
"""Values of images that are held as numbers at a time, by each thread."""
LEAST_REPLICATION = 0.5
"""Share of the matched rows that a filter made from their other half must find for a pattern to be worth a trial."""


class Predicts(Protocol):
    """A model that never saw the fold of the rows it is asked about."""

    def predict(self, inputs: NDArray[np.uint8], fold: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m, k) log-probabilities."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """How often a stamp turned clean rows of other classes to the target.

    Parameters
    ----------
    target : share that the stamp turned to the target.
    other : largest share that it turned to any one other class: the stamp's plain damage.
    sham : share that turned to the target when the same mask was filled with what ordinary rows of the target
        class show there.
    """

    target: Interval
    other: Interval
    sham: Interval

    @property
    def speaks_for_a_backdoor(self) -> bool:
        """The target is reached often, and more often than by damage or by showing the class itself."""
        return self.target.low > max(0.1, self.other.high, self.sham.high)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hypothesis:
    """These rows carry this trigger, which leads to this class.

    Parameters
    ----------
    target : class index.
    rows : indices of the rows that carry the pattern.
    scores : (n,) matched filter's response.
    replication : share of the rows that a filter made from the other half of them finds too.
    form : "patch" or "blend".
    stamp : the recovered trigger.
    before : flips under models trained on the set as it came.
    lifted : share of the rows that no longer look like the target to models that never saw them once the trigger is
        taken off.
    lifted_control : the same share of ordinary rows of the target class, with the same subtracted from them.
    after : flips under models trained without the rows; None until that was tried.
    proposed_by : the detector whose suspects led here.
    """

    target: int
    rows: NDArray[np.intp]
    scores: Floats
    replication: float
    form: str
    stamp: Stamp
    before: Flips
    lifted: Interval
    lifted_control: Interval
    after: Flips | None = None
    proposed_by: str = ""

    @property
    def stands(self) -> bool:
        """Putting the trigger on clean rows and taking it off the suspects both change the class as a backdoor would."""
        return self.before.speaks_for_a_backdoor and self.lifted.low > max(0.5, self.lifted_control.high)

    @property
    def confirmed(self) -> bool:
        """Removing the rows removed the behaviour: at most half of the flips are left, beyond doubt."""
        return self.stands and self.after is not None and self.after.target.high < self.before.target.low / 2


def search(fit: CrossFit, scores: Mapping[str, Floats], rng: np.random.Generator) -> list[Hypothesis]:
    """The best backdoor hypothesis of each class that survives both interventions, most flips first.

    Parameters
    ----------
    fit : the cross-fitted models and their trace, over images.
    scores : (n,) row scores by detector: each one's top rows of a class are a first guess.
    """
    data = fit.trace.data
    ground = background(_Shrunk(data.images))
    half = rng.random(len(data)) < 0.5

    def best(target: int, own: np.random.Generator) -> Hypothesis | None:
        probes = _probes(data, target, own)
        tried = (
            _hypothesis(fit, matched, target, probes, name)
            for name, matched in _matches(ground, data, target, scores, half)
        )
        standing = [hypothesis for hypothesis in tried if hypothesis is not None and hypothesis.stands]
        return max(standing, key=lambda h: (h.before.target.value, h.replication), default=None)

    k = len(data.classes)
    found = side_by_side(lambda job: best(*job), list(zip(range(k), rng.spawn(k), strict=True)))
    return sorted((h for h in found if h is not None), key=lambda h: -h.before.target.value)


def retry(
    hypothesis: Hypothesis, data: Dataset, fold: NDArray[np.int64], cured: Predicts, rng: np.random.Generator
) -> Hypothesis:
    """The hypothesis with the flips counted again under models trained without its rows."""
    probes = np.setdiff1d(_probes(data, hypothesis.target, rng), hypothesis.rows)
    after = count_flips(cured, data, fold, hypothesis, probes)
    return dataclasses.replace(hypothesis, after=after)


def count_flips(
    model: Predicts, data: Dataset, fold: NDArray[np.int64], hypothesis: Hypothesis, probes: NDArray[np.intp]
) -> Flips:
    """Stamp `probes` and count where their predictions go."""
    ordinary = np.setdiff1d(data.rows_of(hypothesis.target), hypothesis.rows)
    sham = _sham(hypothesis.stamp, data, ordinary)
    return _flips(model, data, fold, hypothesis.target, hypothesis.stamp, sham, probes)


def _matches(
    ground: Background, data: Dataset, target: int, scores: Mapping[str, Floats], half: NDArray[np.bool_]
) -> Iterator[tuple[str, Match]]:
    """What grows from each detector's suspects in a class, without repeats, best first."""
    rows, others = data.rows_of(target), data.rows_not_of(target)
    if len(rows) < 10 or not len(others):
        return
    # A few thousand other rows tell the null as well as all of them do.
    few = np.sort(np.concatenate([rows, others[:: -(-len(others) // NULL_ROWS)]]))
    searched, candidates = ground.only(few), data.labels[few] == target
    names = [name for name in scores for _ in SUSPECT_SHARES]
    tops = [
        np.sort(rows[np.argsort(-score[rows], kind="stable")[: max(20, round(share * len(rows)))]])
        for score in scores.values()
        for share in SUSPECT_SHARES
    ]
    found = matches(searched, candidates, [np.searchsorted(few, top) for top in tops], half[few])
    matched = [
        (name, dataclasses.replace(grown, rows=few[grown.rows]))
        for name, grown in zip(names, found, strict=True)
        if grown is not None and grown.replication >= LEAST_REPLICATION
    ]
    matched.sort(key=lambda pair: -pair[1].replication)
    kept: list[Match] = []
    for name, grown in matched:
        if all(_overlap(grown.rows, other.rows) < 0.5 for other in kept) and len(kept) < 3:
            kept.append(grown)
            yield name, dataclasses.replace(grown, scores=ground.scores([grown.rows])[0])


def _hypothesis(fit: CrossFit, matched: Match, target: int, probes: NDArray[np.intp], name: str) -> Hypothesis | None:
    """What the matched rows carry and what it does to clean rows; None where a first trial shows that it does little."""
    data = fit.trace.data
    candidates = data.mask(data.rows_of(target))
    threshold = decoy_threshold(matched.scores, candidates, matched.threshold, FALSE_DISCOVERIES)
    rows = np.flatnonzero(candidates & (matched.scores > threshold))
    choosing, counting = probes[:SCREENED], probes[SCREENED:]
    if not len(rows) or not len(counting):
        return None
    size, others = data.images[0].size, data.rows_not_of(target)
    stamps = recover_stamps(data.images[sampled(matched.rows, size)], data.images[sampled(others, size)])
    tried = {form: _turned(fit, stamp, target, choosing) for form, stamp in stamps.items()}
    form = max(tried, key=lambda form: tried[form])
    if tried[form] < WORTH_COUNTING:
        return None
    stamp, mean = stamps[form], _mean(data, others)
    rows = np.union1d(rows, _showing(data, stamp, candidates, rows))
    rest = np.setdiff1d(np.flatnonzero(candidates), rows)
    if not len(rest):
        return None
    lifted, control = (
        _lifted(fit, data, fit.trace.fold, target, stamp, mean, sample[:: -(-len(sample) // PROBES)])
        for sample in (rows, rest)
    )
    return Hypothesis(
        target=target,
        rows=rows,
        lifted=lifted,
        lifted_control=control,
        scores=matched.scores,
        replication=matched.replication,
        form=form,
        stamp=stamp,
        before=_flips(fit, data, fit.trace.fold, target, stamp, _sham(stamp, data, rest), counting),
        proposed_by=name,
    )


def _showing(data: Dataset, stamp: Stamp, candidates: NDArray[np.bool_], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Candidates that show an opaque pattern where it lies, as exactly as the rows known to carry it do.

    The filter weighs the whole image and can miss a row on which the patch hardly changes anything.
    """
    opaque = stamp.mask > OPAQUE
    if not opaque.any():
        return rows[:0]
    pattern = stamp.pattern[:, opaque].astype(np.float32)
    closeness = np.empty(len(data))
    for some in _blocks(len(data), pattern.size):
        closeness[some] = -np.sqrt(((data.images[some][:, :, opaque] - pattern) ** 2).mean(axis=(1, 2)))
    floor = float(np.quantile(closeness[rows], 0.1)) - SLACK
    threshold = decoy_threshold(closeness, candidates, floor, FALSE_DISCOVERIES)
    return np.flatnonzero(candidates & (closeness > threshold))


def _turned(fit: CrossFit, stamp: Stamp, target: int, probes: NDArray[np.intp]) -> float:
    """Share of the probes that the stamp turns to the target: a first, quick look."""
    trace = fit.trace
    usable = probes[trace.held_out[probes].argmax(axis=1) != target]
    if not len(usable):
        return 0.0
    return float((fit.predict(stamp(trace.data.images[usable]), trace.fold[usable]).argmax(axis=1) == target).mean())


def _flips(
    model: Predicts,
    data: Dataset,
    fold: NDArray[np.int64],
    target: int,
    stamp: Stamp,
    sham: Stamp,
    probes: NDArray[np.intp],
) -> Flips:
    images, folds = data.images[probes], fold[probes]
    plain = model.predict(images, folds).argmax(axis=1)
    usable = plain != target
    images, folds, plain = images[usable], folds[usable], plain[usable]
    n = len(plain)
    if n == 0:
        nothing = Interval(0.0, 0.0, 1.0, 0)
        return Flips(target=nothing, other=nothing, sham=nothing)
    stamped = model.predict(stamp(images), folds).argmax(axis=1)
    turned = np.bincount(stamped[stamped != plain], minlength=len(data.classes))
    by_sham = int((model.predict(sham(images), folds).argmax(axis=1) == target).sum())
    others = np.delete(turned, target)
    return Flips(
        target=wilson(int(turned[target]), n), other=wilson(int(others.max(initial=0)), n), sham=wilson(by_sham, n)
    )


def _lifted(
    model: Predicts,
    data: Dataset,
    fold: NDArray[np.int64],
    target: int,
    stamp: Stamp,
    mean: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> Interval:
    """Take the stamp off images: solve the mixture where it is thin, show the mean of other classes where it is thick."""
    mask, cleared = stamp.mask, data.images[rows]
    for some in _blocks(len(rows), stamp.pattern.size):
        solved = (cleared[some].astype(np.float32) - mask * stamp.pattern) / np.maximum(1 - mask, 0.1)
        cleared[some] = np.rint(np.clip(np.where(mask > OPAQUE, mean, solved), 0, 255))
    left = model.predict(cleared, fold[rows]).argmax(axis=1) != target
    return wilson(int(left.sum()), len(rows))


def _mean(data: Dataset, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """(c, h, w) mean image of up to 4,000 of these rows."""
    some = rows[:: -(-len(rows) // 4_000)]
    # Sums of grey levels are exact in double precision, in whatever parts they are made.
    total = sum(
        data.images[some[part]].sum(axis=0, dtype=np.float64) for part in _blocks(len(some), data.images[0].size)
    )
    return np.asarray(total) / len(some)


def _sham(stamp: Stamp, data: Dataset, ordinary: NDArray[np.intp]) -> Stamp:
    """The same mask filled with the mean of ordinary rows of the target class."""
    return Stamp(mask=stamp.mask, pattern=np.rint(_mean(data, ordinary)).astype(np.uint8))


def _probes(data: Dataset, target: int, rng: np.random.Generator) -> NDArray[np.intp]:
    others = data.rows_not_of(target)
    return rng.choice(others, min(PROBES, len(others)), replace=False)


def _blocks(n: int, size: int) -> list[slice]:
    """Parts of n images, of so many values each, that are held as numbers at a time."""
    step = max(1, _VALUES // size)
    return [slice(start, start + step) for start in range(0, n, step)]


def _overlap(a: NDArray[np.intp], b: NDArray[np.intp]) -> float:
    shared = len(np.intersect1d(a, b))
    return shared / (len(a) + len(b) - shared)


@dataclass(frozen=True, slots=True)
class _Shrunk:
    """Images as rows of grey levels, made when they are asked for: all of them at once take as much as the images.

    Shrunk by area averages to at most :data:`FILTER_DIMENSIONS` values.
    """

    images: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> NDArray[np.uint8]:
        images = self.images[rows] if isinstance(rows, slice) else Picked(self.images, rows)
        n, channels, height, width = images.shape
        scale = min(1.0, (FILTER_DIMENSIONS / (channels * height * width)) ** 0.5)
        side = (max(1, int(height * scale)), max(1, int(width * scale)))
        if side == (height, width):
            return images[:].reshape(n, -1)
        shrunk = np.empty((n, channels * side[0] * side[1]), dtype=np.uint8)
        for some in _blocks(n, channels * height * width):
            shrunk[some] = shrink(images[some], side)[:].reshape(-1, shrunk.shape[1])
        return shrunk
