"""Traces by cross-fitting: every row is judged by a model that never saw it, at about the cost of one training."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bezoar.core.data import Dataset, Modality
from bezoar.core.errors import InputError
from bezoar.core.shards import Spread, Threads
from bezoar.core.trace import Trace
from bezoar.learn.embedding import embed
from bezoar.learn.fitted import CrossFit
from bezoar.learn.picked import Picked
from bezoar.learn.recipe import Recipe, default_recipe
from bezoar.learn.table_model import cross_fit_table
from bezoar.learn.training import NetworkModel, Progress, train

IMAGE_FOLDS = 2
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
    one_core: bool = False,
    spread: Spread = Threads(1),  # noqa: B008
) -> CrossFit:
    """Train a model on all folds but one, for each fold, and let it judge the rows of that one.

    Images have two folds: both trainings together cost as much as one on all rows. On a CPU they run side by side,
    one thread each, so the result doesn't depend on the number of processors.

    Parameters
    ----------
    data : images or a table.
    recipe : how networks are trained; chosen by size where None. Tables have their own model.
    progress : told of rows passed, from more than one thread. What it raises ends the trainings.
    checkpoints : folder from which a stopped training is resumed. Tables train too fast to need it.
    one_core : train one fold after the other, for callers that have other work for the other processors.
    spread : who shows the networks the images that they never saw, see :func:`bezoar.learn.embedding.embed`.

    Raises
    ------
    InputError
        Fewer than two rows a fold, or rows that are neither images nor cells of a table.
    """
    folds = TABLE_FOLDS if data.modality is Modality.TABLE else IMAGE_FOLDS
    if len(data) < 2 * folds:
        raise InputError(f"{data.name}: {len(data)} rows are too few to cross-fit; at least {2 * folds} are needed.")
    fold = stratified_folds(data.labels, folds, rng)
    seeds = [int(child.integers(2**62)) for child in rng.spawn(folds)]
    if data.modality is Modality.TABLE:
        return cross_fit_table(data, fold, seeds)
    device = device or torch.device("cpu")
    stop = threading.Event()

    def tell(rows: int) -> None:
        if stop.is_set():
            raise _StoppedError
        if progress is not None:
            progress(rows)

    def fit(held_out: int) -> _Half:
        seen, unseen = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
        model, losses = train(
            Picked(data.images, seen),
            data.labels[seen],
            len(data.classes),
            recipe or default_recipe(len(data)),
            torch.Generator().manual_seed(seeds[held_out]),
            device=device,
            progress=tell,
            checkpoint=None if checkpoints is None else checkpoints / f"fold{held_out}.safetensors",
        )
        held, features = embed(model, Picked(data.images, unseen), spread, tell)
        return _Half(model=model, losses=losses, held_out=held, features=features)

    beside = device.type == "cpu" and not one_core
    halves = _side_by_side(fit, stop) if beside else [fit(index) for index in range(IMAGE_FOLDS)]
    unseen = [fold == index for index in range(IMAGE_FOLDS)]
    return CrossFit(
        trace=Trace(
            data=data,
            losses=_place([half.losses.T for half in halves], [~rows for rows in unseen]).T,
            held_out=_place([half.held_out for half in halves], unseen),
            features=_place([half.features for half in halves], unseen),
            fold=fold,
        ),
        models=tuple(half.model for half in halves),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Half:
    """One fold's model, what training it left of the rows that it saw, and what it makes of the others."""

    model: NetworkModel
    losses: NDArray[np.float32]
    held_out: NDArray[np.float32]
    features: NDArray[np.float32]


class _StoppedError(Exception):
    """The other training failed, or a person stopped both."""


def _side_by_side(fit: Callable[[int], _Half], stop: threading.Event) -> list[_Half]:
    """Each fold in a thread of its own, with one thread for its arithmetic."""
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(IMAGE_FOLDS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            running = [pool.submit(fit, index) for index in range(IMAGE_FOLDS)]
            try:
                wait(running, return_when=FIRST_EXCEPTION)
            finally:
                stop.set()
        errors = [error for each in running if (error := each.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, _StoppedError)):
            raise error
        return [each.result() for each in running]
    finally:
        # Setting it in one thread also sets it for every thread that starts later.
        torch.set_num_threads(threads)


def _place(parts: list[NDArray[np.float32]], masks: list[NDArray[np.bool_]]) -> NDArray[np.float32]:
    """One array over all rows from each fold's part."""
    whole = np.empty((len(masks[0]), parts[0].shape[1]), dtype=np.float32)
    for part, mask in zip(parts, masks, strict=True):
        whole[mask] = part
    return whole
