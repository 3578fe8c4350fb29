"""Made-up sets, traces and models, in which what is planted betrays itself."""

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.core.data import Dataset, Modality, take_inputs
from bezoar.core.detector import Suspect
from bezoar.core.errors import ContractError
from bezoar.core.mitigation import Subject, Suspicion
from bezoar.core.trace import Trace
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train
from bezoar.learn.white_box import WhiteBox, opened


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planted:
    """A made-up trace and which of its rows are poisoned: (n,) bool."""

    trace: Trace
    poisoned: NDArray[np.bool_]


def example_data(modality: Modality = Modality.IMAGE, *, seed: int = 0) -> Dataset:
    """400 made-up rows of 4 classes from 2 sources: 8 x 8 grey images, or a table of numbers, words and gaps."""
    rng = np.random.default_rng(seed)
    n, k = 400, 4
    labels = rng.permutation(np.arange(n) % k)
    if modality is Modality.IMAGE:
        shades = rng.integers(40, 180, (k, 1, 8, 8))
        inputs: Any = np.clip(shades[labels] + rng.normal(0, 12, (n, 1, 8, 8)), 0, 255).astype(np.uint8)
    else:
        missing = rng.random(n) < 0.1
        inputs = pa.table(
            {
                "amount": pa.array(labels * 2 + rng.normal(0, 1, n), mask=missing),
                "town": pa.array(np.array(["Ulm", "Bern", "Graz"])[rng.integers(0, 3, n)]),
                "visits": pa.array(rng.integers(0, 50, n)),
            }
        )
    return Dataset(
        inputs=inputs,
        labels=labels.astype(np.int64),
        classes=tuple("abcd"),
        ids=np.array([f"row{i}" for i in range(n)]),
        source=np.where(rng.random(n) < 0.4, "acme", "globex"),
        name="example",
    )


def planted_trace(modality: Modality = Modality.IMAGE, *, seed: int = 0, planted: int = 20) -> Planted:
    """A made-up trace in which `planted` rows betray themselves in every way that a detector may look for.

    Rows of other classes carry the label "a": models that never saw them name the true class, their losses stay
    high, their features lie apart from their label's, and each repeats an honest row's input. Features of the two folds
    differ by a rotation, as those of different models do.
    """
    rng = np.random.default_rng(seed)
    data = example_data(modality, seed=seed)
    n, k, d, epochs = len(data), len(data.classes), 16, 8
    truth = data.labels
    poisoned = data.mask(rng.choice(data.rows_not_of(0), planted, replace=False))
    copied = np.arange(n)
    copied[poisoned] = [rng.choice(np.flatnonzero((truth == label) & ~poisoned)) for label in truth[poisoned]]
    data = dataclasses.replace(data, inputs=take_inputs(data.inputs, copied))
    data = data.with_labels(np.flatnonzero(poisoned), 0)

    fold = rng.permutation(np.arange(n) % 2)
    centres = rng.normal(0, 3, (k, d))
    features = centres[truth] + rng.normal(0, 1, (n, d)) + poisoned[:, None] * rng.normal(0, 3, d)
    rotations = np.stack([np.linalg.qr(rng.normal(0, 1, (d, d)))[0] for _ in range(2)])
    logits = 4.0 * np.eye(k)[truth] + rng.normal(0, 1, (n, k))
    decay = np.exp(-np.arange(epochs))[:, None]
    losses = np.where(poisoned, 3.0, 1.4 * decay) * rng.uniform(0.8, 1.2, (epochs, n)) + 1e-3
    trace = Trace(
        data=data,
        losses=losses.astype(np.float32),
        held_out=(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32),
        features=np.einsum("nd,nde->ne", features, rotations[fold]).astype(np.float32),
        fold=fold,
    )
    return Planted(trace=trace, poisoned=poisoned)


def suspected_set(*, flagged: bool = True) -> tuple[Subject, NDArray[np.bool_]]:
    """A set with 20 wrong labels, and an audit that names exactly those, or none."""
    case = planted_trace()
    data, poisoned = case.trace.data, case.poisoned
    named = poisoned & flagged
    suspicion = Suspicion(
        flagged=named,
        code=np.where(named, "BZ102", ""),
        suggested=np.where(named, case.trace.held_out.argmax(axis=1), data.labels),
    )
    return Subject(data=data, suspicion=suspicion), poisoned


@functools.cache
def planted_subject() -> Subject:
    """A small network trained on example images of which a tenth carry a white corner and the label "a".

    Its rows are clean ones to repair with, of which 20 are suspected, and its trigger is under class 0.
    """
    data, clean = example_data(seed=1), example_data(seed=2)
    poisoned = BadNets(rate=0.1, target=0, size=2).poison(data, np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    recipe = Recipe(epochs=6, batch_size=32)
    model, _ = train(poisoned.data.images, poisoned.data.labels, len(data.classes), recipe, generator)
    flagged = np.arange(len(clean)) < 20
    return Subject(
        data=clean,
        suspicion=Suspicion(flagged=flagged, code=np.where(flagged, "BZ101", ""), suggested=clean.labels),
        model=opened(model),
        triggers={} if poisoned.trigger is None else {0: (poisoned.trigger,)},
    )


def planted_model() -> WhiteBox:
    """The network of :func:`planted_subject`."""
    model = planted_subject().model
    if not isinstance(model, WhiteBox):
        raise ContractError("the planted network is no open one.")
    return model


def planted_suspect() -> Suspect:
    """The same with 60 clean inputs, as detectors of models and of inputs are given it."""
    data = example_data(seed=2)
    return Suspect(model=planted_model(), clean=data.images[:60], labels=data.labels[:60])


def weights_of(model: WhiteBox) -> str:
    """A hash of all weights and of how the layers are set."""
    sha = hashlib.sha256()
    for name, value in model.network.state_dict().items():
        sha.update(name.encode() + value.cpu().numpy().tobytes())
    sha.update(repr([layer.training for layer in model.network.modules()]).encode())
    return sha.hexdigest()
