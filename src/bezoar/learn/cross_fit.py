"""Traces by cross-fitting: every row is judged by a model that never saw it, at about the cost of one training."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Modality
from bezoar.core.model import Model
from bezoar.core.trace import Trace
from bezoar.learn.fitted import CrossFit
from bezoar.learn.recipe import Recipe, default_recipe
from bezoar.learn.table_model import cross_fit_table
from bezoar.learn.training import Progress, train

TABLE_FOLDS = 5
"""Trees train so fast that tables can afford better held-out predictions."""


def stratified_folds(labels: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) fold of each row: random, and each class spread evenly."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold


def cross_fit(
    data: Dataset,
    rng: np.random.Generator,
    *,
    recipe: Recipe | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
    checkpoints: Path | None = None,
) -> CrossFit:
    """Train two models on a half each and let each judge the other half.

    Parameters
    ----------
    data : images or a table.
    recipe : how networks are trained; chosen by size where None. Tables have their own model.
    checkpoints : folder from which a stopped training is resumed.
    """
    folds = TABLE_FOLDS if data.modality is Modality.TABLE else 2
    fold = stratified_folds(data.labels, folds, rng)
    seeds = [int(child.integers(2**62)) for child in rng.spawn(folds)]
    if data.modality is Modality.TABLE:
        return cross_fit_table(data, fold, seeds)
    recipe = recipe or default_recipe(len(data))
    device = device or torch.device("cpu")
    k = len(data.classes)

    def fit(held_out: int) -> tuple[Model, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        if device.type == "cpu":
            torch.set_num_threads(1)  # of this worker thread: the two trainings share the processor
        seen, unseen = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
        model, losses = train(
            data.images[seen],
            data.labels[seen],
            k,
            recipe,
            torch.Generator().manual_seed(seeds[held_out]),
            device=device,
            progress=progress,
            checkpoint=None if checkpoints is None else checkpoints / f"fold{held_out}.safetensors",
        )
        held, features = model.predict_with_features(data.images[unseen])
        return model, losses, held, features

    with ThreadPoolExecutor(2 if device.type == "cpu" else 1) as pool:
        fitted = list(pool.map(fit, range(2)))
    return CrossFit(
        trace=Trace(
            data=data,
            losses=_place([result[1].T for result in fitted], [fold != 0, fold != 1]).T,
            held_out=_place([result[2] for result in fitted], [fold == 0, fold == 1]),
            features=_place([result[3] for result in fitted], [fold == 0, fold == 1]),
            fold=fold,
        ),
        models=tuple(result[0] for result in fitted),
    )


def _place(parts: list[NDArray[np.float32]], masks: list[NDArray[np.bool_]]) -> NDArray[np.float32]:
    """One array over all rows from each fold's part."""
    whole = np.empty((len(masks[0]), parts[0].shape[1]), dtype=np.float32)
    for part, mask in zip(parts, masks, strict=True):
        whole[mask] = part
    return whole
