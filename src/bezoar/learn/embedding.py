"""What a network makes of images, by shards that anyone can work on."""

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bezoar.core.shards import Arrays, Spread
from bezoar.learn import networks
from bezoar.learn.device import one_thread
from bezoar.learn.picked import Picked
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import BATCH, NetworkModel, Progress, precision

_ROWS, _BYTES = 8_192, 8 * 2**20
"""A shard is at most so many rows, and so many bytes of images, but at least one batch."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Images of one shard, and all that is to be known of the network but its weights."""

    images: Picked
    recipe: Recipe
    size: tuple[int, int]

    def digest(self) -> str:
        """SHA-256 of images and recipe."""
        head = repr((self.images.shape, self.recipe, self.size, torch.__version__))
        whole = hashlib.sha256(head.encode())
        for start in range(0, len(self.images), BATCH):
            whole.update(self.images[start : start + BATCH].tobytes())
        return whole.hexdigest()


def embed(
    model: NetworkModel, images: Picked, spread: Spread, tell: Progress
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Log-probabilities (n, k) and features (n, d), as :meth:`NetworkModel.predict_with_features` gives them.

    Shards hold whole batches, so that every image is in the company that it would be in anyway: results are the same to
    the last digit on processors of one kind, and the same up to rounding on others. A network on another device than the
    processor judges the images there.

    Parameters
    ----------
    spread : who works on the shards.
    tell : told after each shard that no rows were passed. What it raises ends the work.
    """
    if model.device.type != "cpu":
        return model.predict_with_features(images)
    head = model.network.head
    held_out = np.empty((len(images), head.out_features), dtype=np.float32)
    features = np.empty((len(images), head.in_features), dtype=np.float32)
    work, start = spread.here if spread.alone else spread, 0
    # Here as well as where the work is: threads that find another number would leave it behind in each other's place.
    with one_thread():
        for given in work(embedded_shard, _shards(model, images), _weights(model)):
            rows = slice(start, start + len(given["features"]))
            held_out[rows], features[rows] = given["held_out"], given["features"]
            start = rows.stop
            tell(0)
    return held_out, features


def embedded_shard(shard: _Seen, weights: Arrays) -> Arrays:
    """Held-out log-probabilities and features of one shard, on one thread."""
    with one_thread():
        held_out, features = _model(shard, weights).predict_with_features(shard.images)
    return {"held_out": held_out, "features": features}


def _shards(model: NetworkModel, images: Picked) -> Iterator[_Seen]:
    # Whoever works on a shard computes as this machine would, whatever is fastest there.
    recipe = dataclasses.replace(model.recipe, precision=precision(model.recipe, model.device))
    one = int(np.prod(images.shape[1:]))
    step = int(np.clip(_BYTES // one, BATCH, _ROWS)) // BATCH * BATCH
    for start in range(0, len(images), step):
        yield _Seen(Picked(images.images, images.rows[start : start + step]), recipe, model.size)


def _weights(model: NetworkModel) -> Arrays:
    state = model.network.state_dict() | {"mean": model.mean, "std": model.std}
    return {name: tensor.numpy() for name, tensor in state.items()}


def _model(shard: _Seen, weights: Arrays) -> NetworkModel:
    # Copies: those of a cluster cannot be written to, which torch would warn of.
    state = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
    mean, std = state.pop("mean"), state.pop("std")
    with torch.device("meta"):
        network = networks.build(
            shard.recipe.architecture, channels=len(mean), classes=len(state["head.bias"]), side=max(shard.size)
        )
    network.load_state_dict(state, assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    network.eval()
    return NetworkModel(
        network=network, mean=mean, std=std, recipe=shard.recipe, size=shard.size, device=torch.device("cpu")
    )
