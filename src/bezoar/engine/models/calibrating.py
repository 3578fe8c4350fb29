"""A null for an architecture: clean models of several seeds and recipes, each seen by every detector."""

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from bezoar.core.data import Dataset, Modality
from bezoar.core.detector import Suspect
from bezoar.core.errors import InputError
from bezoar.core.registry import lookup
from bezoar.engine.models.inspecting import inspect, looking
from bezoar.engine.models.nulls import FEWEST, Null, looks_of
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
    usual = default_recipe(rows)
    recipe = dataclasses.replace(
        usual,
        architecture=architecture,
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


def calibrate(
    data: Dataset,
    clean: Dataset,
    *,
    architecture: str,
    code: str | None = None,
    models: int,
    inputs: int,
    detectors: tuple[str, ...] | None = None,
    rng: np.random.Generator,
    device: torch.device,
    tell: Callable[[float], None],
) -> Null:
    """Train clean models and let every detector look at each.

    Parameters
    ----------
    data : training rows that are believed to be clean.
    clean : other clean rows of the same kind, of which each model's detectors are given `inputs` at random.
    architecture : by name.
    code : "package.module:attribute" of a class or function that makes a network, instead of `architecture`. It is run.
    models : how many, at least 20.
    detectors : names of model detectors; all that look into a model where None.

    Raises
    ------
    InputError
        Too few models or clean rows; rows that are no images; code that makes no network for them.
    """
    if data.modality is not Modality.IMAGE:
        raise InputError(f"{data.name}: holds {data.modality} rows. Models of images can be calibrated.")
    if models < FEWEST:
        raise InputError(f"a null needs at least {FEWEST} models. Got {models}.")
    if clean.classes != data.classes:
        raise InputError(f"{clean.name}: must have the classes of {data.name}.")
    names, done = detectors or looking(), 0

    def look(own: np.random.Generator) -> dict[str, tuple[float, ...]]:
        nonlocal done
        box = opened(trained(data, varied(data, architecture, own), device, own, code))
        right = np.flatnonzero(box.predict(clean.images).argmax(axis=1) == clean.labels)
        if len(right) < inputs:
            raise InputError(f"{clean.name}: a model gets {len(right)} rows right; {inputs} are needed.")
        rows = np.sort(own.permutation(right)[:inputs])
        found = inspect(
            Suspect(model=box, clean=clean.images[rows], labels=clean.labels[rows]), names, own, lambda share: None
        )
        if found.failed:
            raise InputError(f"{found.failed[0].name}: {found.failed[0].detail}")
        done += 1
        tell(done / models)
        return {name: tuple(round(float(score), 4) for score in scores) for name, scores in found.scores.items()}

    rows = side_by_side(look, rng.spawn(models))
    return Null(
        architecture=code or architecture,
        shape=(data.images.shape[1], data.images.shape[2], data.images.shape[3]),
        classes=data.classes,
        inputs=inputs,
        recipe={
            "data": data.name,
            "merkle_root": data.merkle_root,
            "rows": len(data),
            "models": models,
            "share_of_rows": SHARES,
            "share_of_epochs": PACES,
            "share_of_learning_rate": RATES,
            "default": dataclasses.asdict(default_recipe(len(data))),
        },
        scores={name: tuple(row[name] for row in rows) for name in names},
        settings={name: dataclasses.asdict(lookup("detectors", name)()) for name in names},
        looks=looks_of(data),
    )
