"""A null for an architecture: clean models of several seeds and recipes, each seen by every detector."""

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bezoar.core.data import Dataset, Modality
from bezoar.core.detector import Suspect
from bezoar.core.errors import InputError
from bezoar.core.registry import lookup
from bezoar.engine.models.inspecting import inspect, looking
from bezoar.engine.models.nulls import FEWEST, Null, looks_of, told
from bezoar.learn.device import side_by_side
from bezoar.learn.own_model import network_maker
from bezoar.learn.recipe import Recipe, default_recipe
from bezoar.learn.training import NetworkModel, teach, train
from bezoar.learn.white_box import opened, tapped

MODELS = 40
"""Clean models of a null, unless a person asks for more."""
SHARES = (0.5, 1.0)
"""Least and largest share of the training rows that a model sees."""
PACES = (0.7, 1.5)
"""Least and largest share of the default recipe's epochs."""
RATES = (0.5, 1.5)
"""Least and largest share of its learning rate."""
_MAKING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """How one clean model is made: other rows, another length, another pace."""

    rows: int
    recipe: Recipe
    seed: int


def varied(data: Dataset, architecture: str, rng: np.random.Generator) -> Varied:
    """A recipe drawn around the default one, as somebody else might have chosen it."""
    rows = round(rng.uniform(*SHARES) * len(data))
    usual = default_recipe(rows, architecture)
    recipe = dataclasses.replace(
        usual,
        epochs=max(2, round(rng.uniform(*PACES) * usual.epochs)),
        learning_rate=rng.uniform(*RATES) * usual.learning_rate,
        batch_size=int(rng.choice([usual.batch_size // 2, usual.batch_size, 2 * usual.batch_size])),
    )
    return Varied(rows=rows, recipe=recipe, seed=int(rng.integers(2**62)))


def trained(
    data: Dataset, way: Varied, device: torch.device, rng: np.random.Generator, code: str | None = None
) -> NetworkModel:
    """A model trained on a random part of the data in this way.

    Parameters
    ----------
    code : "package.module:attribute" that makes the network to train, instead of the one that the recipe names.
    """
    some = np.sort(rng.permutation(len(data))[: way.rows])
    images, labels, k = data.images[some], data.labels[some], len(data.classes)
    generator = torch.Generator().manual_seed(way.seed)
    if code is None:
        return train(images, labels, k, way.recipe, generator, device=device)[0]
    make = network_maker(code)  # importing may draw as well
    # Such a network draws its weights from torch's global state.
    with _MAKING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(way.seed)
        network = make()
    box = tapped(network, data.images.shape[1:], k, device)
    model = NetworkModel(
        network=box.network.requires_grad_(True),
        mean=255 * box.mean,
        std=255 * box.std,
        recipe=way.recipe,
        size=box.size,
        device=device,
    )
    teach(model, images, labels, generator)
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What detectors said of one clean model.

    Parameters
    ----------
    accuracy : on the clean rows.
    scores : (k,) by detector.
    """

    accuracy: float
    scores: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """How a null is made. Each model can be looked at by itself, in any order, anywhere.

    Parameters
    ----------
    data : training rows that are believed to be clean.
    clean : other clean rows of the same kind, of which each model's detectors are given `inputs` at random.
    architecture : by name.
    code : "package.module:attribute" of a class or function that makes a network, instead of `architecture`. It is run.
    inputs : clean inputs that detectors are given.
    detectors : names of model detectors; all that look into a model where None.

    Raises
    ------
    InputError
        Rows that are no images, or clean ones of other classes.
    """

    data: Dataset
    clean: Dataset
    architecture: str
    inputs: int
    code: str | None = None
    detectors: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.data.modality is not Modality.IMAGE:
            raise InputError(f"{self.data.name}: holds {self.data.modality} rows. Models of images can be calibrated.")
        if self.clean.classes != self.data.classes:
            raise InputError(f"{self.clean.name}: must have the classes of {self.data.name}.")

    def seen(self, rng: np.random.Generator, device: torch.device) -> Seen:
        """Train one clean model, and let every detector look at it.

        Raises
        ------
        InputError
            The model gets too few clean rows right; a detector failed; code that makes no network for these rows.
        """
        clean = self.clean
        box = opened(trained(self.data, varied(self.data, self.architecture, rng), device, rng, self.code))
        right = np.flatnonzero(box.predict(clean.images).argmax(axis=1) == clean.labels)
        if len(right) < self.inputs:
            raise InputError(f"{clean.name}: a model gets {len(right)} rows right; {self.inputs} are needed.")
        rows = np.sort(rng.permutation(right)[: self.inputs])
        suspect = Suspect(model=box, clean=clean.images[rows], labels=clean.labels[rows])
        found = inspect(suspect, self.detectors or looking(), rng, lambda share: None)
        if found.failed:
            raise InputError(f"{found.failed[0].name}: {found.failed[0].detail}")
        scores = {name: tuple(round(float(score), 4) for score in scores) for name, scores in found.scores.items()}
        return Seen(accuracy=len(right) / len(clean), scores=scores)

    def null(self, seen: Sequence[Seen]) -> Null:
        """The null of the models that were seen."""
        data, names, looks = self.data, self.detectors or looking(), looks_of(self.data)
        return Null(
            architecture=self.code or self.architecture,
            shape=(data.images.shape[1], data.images.shape[2], data.images.shape[3]),
            classes=data.classes,
            inputs=self.inputs,
            recipe={
                "data": data.name,
                "merkle_root": data.merkle_root,
                "rows": len(data),
                "models": len(seen),
                "share_of_rows": SHARES,
                "share_of_epochs": PACES,
                "share_of_learning_rate": RATES,
                "default": dataclasses.asdict(default_recipe(len(data), self.architecture)),
                "accuracy": [round(each.accuracy, 4) for each in seen],
            },
            scores={name: tuple(each.scores[name] for each in seen) for name in names},
            settings={name: dataclasses.asdict(lookup("detectors", name)()) for name in names},
            looks=looks,
            told=round(told(looks, data), 4),
        )


def calibrate(
    way: Calibration, *, models: int, rng: np.random.Generator, device: torch.device, tell: Callable[[float], None]
) -> Null:
    """Train clean models and let every detector look at each.

    Parameters
    ----------
    models : how many, at least 20.
    tell : told the share that is done.

    Raises
    ------
    InputError
        Too few models, or as :meth:`Calibration.seen`.
    """
    if models < FEWEST:
        raise InputError(f"a null needs at least {FEWEST} models. Got {models}.")
    done = 0

    def look(own: np.random.Generator) -> Seen:
        nonlocal done
        found = way.seen(own, device)
        done += 1
        tell(done / models)
        return found

    return way.null(side_by_side(look, rng.spawn(models)))
