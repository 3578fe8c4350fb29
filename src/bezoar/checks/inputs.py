"""What detectors of inputs must keep."""

from typing import Any

import numpy as np
import torch

from bezoar.checks.made_up import example_data, planted_model, planted_suspect, weights_of
from bezoar.checks.promises import promise
from bezoar.core.detector import Learned


def learns_numbers_that_can_be_written_down(method: type[Any]) -> None:
    """Arrays of numbers, the same from the same generator, in the order that numpy writes them."""
    first, again = _learned(method), _learned(method)
    plain = all(isinstance(value, np.ndarray) and value.dtype.kind in "biuf" for value in first.values())
    promise(method, plain, "learns arrays of numbers")
    same = all(np.array_equal(first[name], again[name]) for name in first) and set(first) == set(again)
    promise(method, same, "repeats itself from the same generator")


def scores_every_input_with_a_finite_number(method: type[Any]) -> None:
    """(n,) float64 without NaN or infinity, none for no inputs."""
    scorer = method().scorer(planted_model(), _learned(method))
    images = example_data(seed=2).images[100:137]
    before = images.copy()
    scores = scorer(images)
    promise(method, scores.shape == (37,) and scores.dtype == np.float64, "gives (37,) float64 scores for 37 inputs")
    promise(method, bool(np.isfinite(scores).all()), "gives finite scores")
    promise(method, scorer(images[:0]).shape == (0,), "gives no scores for no inputs")
    promise(method, np.array_equal(images, before), "leaves the inputs alone")


def scores_an_input_alone_as_among_others(method: type[Any]) -> None:
    """Up to the rounding of arithmetic in half precision."""
    scorer = method().scorer(planted_model(), _learned(method))
    images = example_data(seed=2).images[100:160]
    scores = scorer(images)
    alone = np.concatenate([scorer(images[index : index + 1]) for index in range(5)])
    close = np.abs(alone - scores[:5]).max() <= 0.1 * max(1.0, float(np.ptp(scores)))
    promise(method, bool(close), "scores an input alone as among others")


def passes_as_many_pictures_as_it_says(method: type[Any]) -> None:
    """Its `passes` are what scoring an input costs, in pictures through a network."""
    counted, box, n = [0], planted_model(), 30
    scorer = method().scorer(box, _learned(method))

    def count(layer: torch.nn.Module, arguments: tuple[Any, ...], out: torch.Tensor) -> None:
        if isinstance(layer, torch.nn.Linear) and out.shape[-1] == box.classes:
            counted[0] += len(out)

    hook = torch.nn.modules.module.register_module_forward_hook(count)
    try:
        scorer(example_data(seed=2).images[100 : 100 + n])
    finally:
        hook.remove()
    promise(method, counted[0] <= n * method().passes, "passes no more pictures than its `passes`")


def leaves_a_fitted_model_alone(method: type[Any]) -> None:
    """Weights, layers, predictions and inputs are the same after fitting and scoring."""
    suspect, box = planted_suspect(), planted_model()
    before, predicted, inputs = weights_of(box), box.predict(suspect.clean), suspect.clean.copy()
    learned = method().fit(suspect, np.random.default_rng(0))
    method().scorer(box, learned)(suspect.clean[:8])
    same = weights_of(box) == before and np.array_equal(box.predict(suspect.clean), predicted)
    promise(method, same and np.array_equal(suspect.clean, inputs), "leaves the model it was given alone")


def _learned(method: Any, seed: int = 0) -> Learned:
    learned: Learned = method().fit(planted_suspect(), np.random.default_rng(seed))
    return learned
