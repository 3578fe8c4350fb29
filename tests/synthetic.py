"""Traced sets without any training: models that obey a known rule, so that every answer is known beforehand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bezoar.core.data import Dataset
from bezoar.core.trace import Trace
from bezoar.core.trigger import Stamp
from bezoar.engine.backdoor import Flips, Hypothesis
from bezoar.engine.judgement import Judgement
from bezoar.engine.labels import Labels
from bezoar.learn.fitted import CrossFit
from bezoar.maths.stats import Interval, wilson

SIDE, CLASSES = 12, 4


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A model that answers by a rule: inputs to (n,) class indices, with a probability of .97."""

    answer: Callable[[Any], NDArray[np.int64]]
    k: int = CLASSES

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        answers = self.answer(inputs)
        out = np.full((len(answers), self.k), 0.03 / (self.k - 1))
        out[np.arange(len(answers)), answers] = 0.97
        return np.log(out).astype(np.float32)


def bars(n: int, rng: np.random.Generator, *, channels: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise with one bright bar of three rows, which is the class."""
    labels = rng.integers(0, CLASSES, n)
    images = rng.integers(0, 60, (n, channels, SIDE, SIDE))
    for row, label in enumerate(labels):
        images[row, :, 3 * label : 3 * label + 3, :8] += 120
    return images.astype(np.uint8), labels.astype(np.int64)


def see_bars(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The class of :func:`bars`, right for every such image."""
    bands = images[:, :, :, :8].astype(float).mean(axis=(1, 3)).reshape(len(images), CLASSES, 3)
    return bands.mean(axis=2).argmax(axis=1)


def patch(*, channels: int = 1) -> Stamp:
    """A checkerboard of 3 x 3 in the lower right corner, where no bar is."""
    mask, pattern = np.zeros((SIDE, SIDE), np.float32), np.zeros((channels, SIDE, SIDE), np.uint8)
    mask[-3:, -3:] = 1
    pattern[:, -3:, -3:] = (np.indices((3, 3)).sum(axis=0) % 2) * 255
    return Stamp(mask=mask, pattern=pattern)


def blend(rng: np.random.Generator) -> Stamp:
    """A random pattern over the whole image at an opacity of .3."""
    pattern = rng.integers(0, 256, (1, SIDE, SIDE)).astype(np.uint8)
    return Stamp(mask=np.full((SIDE, SIDE), 0.3, np.float32), pattern=pattern)


def carries(stamp: Stamp) -> Callable[[NDArray[np.uint8]], NDArray[np.bool_]]:
    """Tells whether images carry a stamp, by their correlation with it where it is."""
    weight = stamp.mask * (stamp.pattern.astype(float) - stamp.pattern[:, stamp.mask > 0].mean())
    scale = float((weight * stamp.mask * stamp.pattern).sum())

    def tell(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        return (images * weight).sum(axis=(1, 2, 3)) > 0.55 * scale

    return tell


def obeying(stamp: Stamp, target: int) -> Rule:
    """A model with a backdoor."""
    tell = carries(stamp)
    return Rule(answer=lambda images: np.where(tell(images), target, see_bars(images)))


HONEST = Rule(answer=see_bars)


def dataset(inputs: Any, labels: NDArray[np.int64], k: int = CLASSES, source: Any = None) -> Dataset:
    n = len(labels)
    return Dataset(
        inputs=inputs,
        labels=labels.astype(np.int64),
        classes=tuple(f"c{i}" for i in range(k)),
        ids=np.array([f"r{i}" for i in range(n)]),
        source=None if source is None else np.asarray(source),
        name="made",
    )


def traced(data: Dataset, model: Any) -> CrossFit:
    """Both folds judged by one and the same model."""
    held_out = model.predict(data.inputs)
    return with_held_out(data, held_out, model)


def with_held_out(data: Dataset, held_out: NDArray[Any], model: Any = HONEST) -> CrossFit:
    """A trace in which these are the held-out log-probabilities."""
    n = len(data)
    trace = Trace(
        data=data,
        losses=np.zeros((2, n), np.float32),
        held_out=np.asarray(held_out, np.float32),
        features=np.zeros((n, 2), np.float32),
        fold=np.arange(n) % 2,
    )
    return CrossFit(trace=trace, models=(model, model))


def noisy_opinions(true: NDArray[np.int64], k: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Log-probabilities (n, k) of a good model: logits of 8 for the true class, 0 for the others, with noise of 1."""
    logits = rng.normal(size=(len(true), k))
    logits[np.arange(len(true)), true] += 8
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def table(n: int, rng: np.random.Generator) -> pa.Table:
    """An age, a town with missing cells, a number."""
    towns = np.array(["Ulm", "Bern", None], dtype=object)[rng.integers(0, 3, n)]
    return pa.table({"age": rng.integers(18, 90, n), "town": pa.array(towns.tolist()), "x": rng.normal(size=n)})


def share(part: int, whole: int) -> Interval:
    return wilson(part, whole)


def flips(target: int, *, other: int = 0, sham: int = 0, n: int = 200) -> Flips:
    return Flips(target=share(target, n), other=share(other, n), sham=share(sham, n))


def hypothesis(rows: NDArray[np.intp], n: int, *, target: int = 0, **other: Any) -> Hypothesis:
    """One that stands, over n rows, unless `other` says so."""
    scores = np.zeros(n)
    scores[rows] = 10 + np.arange(len(rows))
    fields: dict[str, Any] = {
        "replication": 1.0,
        "form": "patch",
        "stamp": patch(),
        "before": flips(180),
        "lifted": share(95, 100),
        "lifted_control": share(2, 100),
    }
    return Hypothesis(target=target, rows=np.asarray(rows), scores=scores, **(fields | other))


def no_labels(data: Dataset, **other: Any) -> Labels:
    """Labels of which none is doubted, unless `other` says so."""
    n = len(data)
    fields: dict[str, Any] = {
        "score": np.linspace(-2, 2, n),
        "p_value": np.ones(n),
        "flagged": np.zeros(n, dtype=bool),
        "suggested": data.labels.copy(),
        "share": Interval(0.0, 0.0, 0.01, n),
        "agreement": None,
        "agreement_control": None,
        "pairs": (),
        "groups": (),
    }
    return Labels(**(fields | other))


def judgement(data: Dataset, **other: Any) -> Judgement:
    n = len(data)
    fields: dict[str, Any] = {
        "hypotheses": (),
        "labels": no_labels(data),
        "contradicting": np.zeros(n, dtype=bool),
        "copies": np.ones(n, dtype=np.int64),
        "score": np.linspace(0, 1, n),
        "p_value": np.ones(n),
    }
    return Judgement(**(fields | other))
