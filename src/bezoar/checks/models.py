"""What detectors of models must keep."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bezoar.checks.made_up import planted_model, planted_suspect, weights_of
from bezoar.checks.promises import promise
from bezoar.core.detector import Inspection, ModelDetector, Questioned, only_asks


@functools.cache
def _inspected(method: Callable[[], ModelDetector], again: int) -> tuple[Inspection, bool]:
    """What a detector of models says of the planted one, and whether it left everything as it was."""
    suspect, box = planted_suspect(), planted_model()
    before, predicted, inputs = weights_of(box), box.predict(suspect.clean), suspect.clean.copy()
    inspection = method().inspect(suspect, np.random.default_rng(0))
    same = weights_of(box) == before and np.array_equal(box.predict(suspect.clean), predicted)
    return inspection, same and np.array_equal(suspect.clean, inputs)


def _look(method: Any, again: int) -> tuple[Inspection, bool]:
    return _inspected(method, again)


def scores_every_class_with_a_finite_number(method: type[Any]) -> None:
    """(k,) float64 without NaN or infinity."""
    scores, k = _look(method, 0)[0].scores, planted_model().classes
    promise(method, scores.shape == (k,) and scores.dtype == np.float64, f"gives ({k},) float64 scores")
    promise(method, bool(np.isfinite(scores).all()), "gives finite scores")


def inspects_the_same_model_the_same(method: type[Any]) -> None:
    """Equal generators, equal scores."""
    first, again = (_look(method, call)[0].scores for call in (0, 1))
    promise(method, np.array_equal(first, again), "repeats itself from the same generator")


def recovers_triggers_that_stamp_images(method: type[Any]) -> None:
    """What it recovered gives images of the same form and leaves those passed alone."""
    images = planted_suspect().clean
    before = images.copy()
    for target, trigger in _look(method, 0)[0].triggers.items():
        stamped = trigger(images)
        fits = stamped.shape == before.shape and stamped.dtype == np.uint8
        promise(method, fits, "recovers triggers that give images of the same form")
        promise(method, 0 <= target < planted_model().classes, "recovers triggers for classes that there are")
        promise(method, np.array_equal(images, before), "recovers triggers that leave images alone")


def finds_the_triggers_it_is_asked_for(method: type[Any]) -> None:
    """Asked about one class only, it recovers a trigger for it where it does when asked about all."""
    whole, target = _look(method, 0)[0], 0
    part = method().inspect(dataclasses.replace(planted_suspect(), targets=(target,)), np.random.default_rng(0))
    promise(method, bool(np.isfinite(part.scores).all()), "gives finite scores when asked about one class")
    promise(method, (target in part.triggers) == (target in whole.triggers), "recovers the trigger it is asked for")


def leaves_the_model_alone(method: type[Any]) -> None:
    """Weights, layers, predictions and inputs are the same afterwards."""
    promise(method, _look(method, 0)[1], "leaves the model it was given alone")


@dataclasses.dataclass(frozen=True, slots=True)
class _Sealed:
    """A model of which nothing can be had but predictions."""

    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    classes: int


def asks_and_does_not_look_where_it_says_so(method: type[Any]) -> None:
    """With a `black_box`, a model that only predicts gives the same scores as the same model open."""
    if not only_asks(method):
        return
    suspect, box = planted_suspect(), planted_model()
    sealed = Questioned(model=_Sealed(box.predict, box.classes), clean=suspect.clean, labels=suspect.labels)
    try:
        scores = method().inspect(sealed, np.random.default_rng(0)).scores
    except AttributeError:
        scores = None
    same = scores is not None and np.array_equal(scores, _look(method, 0)[0].scores)
    promise(method, same, "needs predictions alone, as its `black_box` says")
