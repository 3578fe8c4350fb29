"""One trainer for all networks: one-cycle schedule, bf16 and channels-last where they pay, resume."""

import copy
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bezoar.core.errors import InputError
from bezoar.learn import checkpoint as checkpoints
from bezoar.learn import networks
from bezoar.learn.device import computes_in_bfloat16, dealt_out, one_thread
from bezoar.learn.picked import Images
from bezoar.learn.recipe import Recipe

Progress = Callable[[int], None]
"""Told after every batch how many rows were passed since it was last told. What it raises ends the training."""

Look = Callable[["NetworkModel", float], None]
"""Shown a model that is still in training, and its learning rate; must leave it as it is."""

SMALLEST_SIDE = 8
"""Smaller images are enlarged to this many pixels a side: the networks halve them up to three times."""
BATCH = 256
"""Images that are judged at a time."""
_VALUES = 2**20
"""Values of larger images that are held as numbers at a time."""
_COMPILE_ROWS = 500_000
_FEWEST_HALVED = 8
"""Smaller batches are not halved: normalisation needs several rows."""
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkModel:
    """A trained network with the scaling of its inputs.

    Parameters
    ----------
    network : in evaluation mode.
    mean, std : (channels,) of the training images, on the scale of 0 to 255.
    recipe : how it was trained.
    size : height and width in pixels to which images are brought.
    device : where it lives.
    """

    network: networks.Network
    mean: Tensor
    std: Tensor
    recipe: Recipe
    size: tuple[int, int]
    device: torch.device

    def predict(self, inputs: Images) -> NDArray[np.float32]:
        """(n, k) log-probabilities of images (n, c, h, w)."""
        return self.predict_with_features(inputs)[0]

    def features(self, inputs: Images) -> NDArray[np.float32]:
        """(n, d) penultimate features of images (n, c, h, w)."""
        return self.predict_with_features(inputs)[1]

    def predict_with_features(self, inputs: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Log-probabilities (n, k) and features (n, d) in one pass."""
        mixed, head = autocast(self.recipe, self.device), self.network.head
        n = len(inputs)
        # Filled, not joined: parts and whole together would take twice the memory.
        predictions = np.empty((n, head.out_features), dtype=np.float32)
        features = np.empty((n, head.in_features), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, n, BATCH):
                rows = slice(start, start + BATCH)
                batch = shrink(inputs[rows], self.size)
                with mixed:
                    found = self.network.body(prepare(batch[:], self.mean, self.std)).float()
                predictions[rows] = F.log_softmax(head(found), dim=1).cpu().numpy()
                features[rows] = found.cpu().numpy()
        return predictions, features


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The autocast context of a recipe, which may be entered again and again."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision(recipe, device) == "bfloat16")


def precision(recipe: Recipe, device: torch.device) -> str:
    """What "auto" comes to on this machine: "float32" or "bfloat16"."""
    if recipe.precision != "auto":
        return recipe.precision
    return "bfloat16" if computes_in_bfloat16(device) else "float32"


def shrink(images: Images, size: tuple[int, int]) -> Images:
    """Images brought to `size` by area averages, rounded; the same array where they have it already."""
    if images.shape[2:] == size:
        return images
    resized = np.empty((*images.shape[:2], *size), dtype=np.uint8)
    step = max(1, _VALUES // math.prod(images.shape[1:]))
    for start in range(0, len(images), step):
        batch = torch.from_numpy(images[start : start + step].astype(np.float32))
        resized[start : start + step] = F.interpolate(batch, size, mode="area").round().byte().numpy()
    return resized


def prepare(images: NDArray[np.uint8], mean: Tensor, std: Tensor) -> Tensor:
    """Scaled float images, channels last, where `mean` lives."""
    batch = torch.from_numpy(np.ascontiguousarray(images)).to(mean.device)
    batch = batch.to(torch.float32, memory_format=torch.channels_last)
    return batch.sub_(mean[:, None, None]).div_(std[:, None, None])


def train(
    images: Images,
    labels: NDArray[np.int64],
    classes: int,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    device: torch.device | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    look: Look | None = None,
    halved: bool = False,
) -> tuple[NetworkModel, NDArray[np.float32]]:
    """Train a network.

    The same generator gives the same model on the same machine, whatever else runs. Arithmetic on a processor stays
    on one thread: batches are so small that threads wait for each other more than they work. Torch's global random state is neither read nor changed.

    Parameters
    ----------
    images : (n, c, h, w) uint8.
    labels : (n,) int in 0 to `classes` - 1.
    generator : on the CPU; it alone decides weights, order and augmentation.
    checkpoint : a file; written after each epoch. Where it holds a part of this very training (same rows, recipe
        and generator), that part is not done again; anything else in it is ignored and written over.
    look : shown the model after each epoch that is done, in evaluation mode.
    halved : compute the halves of each batch side by side on two threads (on a processor), for a training that is alone: in three
        quarters of the time where two cores are idle. Each half is normalised by itself, so the model is another one, and the same
        however many cores there are.

    Returns
    -------
    The model, and the loss of each row in nats as it was trained on, (epochs, n).

    Raises
    ------
    InputError
        No rows.
    """
    if len(images) < 2:
        raise InputError(f"a network needs at least two rows to train on. Got {len(images)}.")
    device = device or torch.device("cpu")
    halved = halved and device.type == "cpu"
    identity = _identity(images, labels, recipe, generator, device, halved) if checkpoint else ""
    size = _size(images.shape[2:], recipe.resize)
    images = shrink(images, size)
    mean, std = _scale(images, device)
    new = partial(networks.build, recipe.architecture, channels=images.shape[1], classes=classes, side=max(size))
    network = networks.drawn(new, generator).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    model = NetworkModel(network=network, mean=mean, std=std, recipe=recipe, size=size, device=device)
    training = _Training.of(model, images, labels, generator, halved=halved)
    saved = checkpoints.load(checkpoint, identity=identity, like=training.tensors()) if checkpoint else None
    done = training.restore(saved) if saved else 0
    if progress is not None and done:
        progress(done * len(images))
    network.train()
    with one_thread():
        for epoch in range(done, recipe.epochs):
            training.run(epoch, progress)
            if checkpoint:
                checkpoints.save(checkpoint, training.tensors(epoch + 1), identity=identity)
            if look is not None:
                network.eval()
                look(training.model, training.rate)
                network.train()
    network.eval()
    return training.model, training.losses


def teach(model: NetworkModel, images: Images, labels: NDArray[np.int64], generator: torch.Generator) -> None:
    """Train a network that somebody else made, in place, as its recipe says, on images of its size."""
    training = _Training.of(model, images, labels, generator)
    model.network.train()
    with one_thread():
        for epoch in range(model.recipe.epochs):
            training.run(epoch, None)
    model.network.eval()


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of a step: up to `peak` over the first quarter, then down to nearly 0, both as cosines."""
    rise = max(1, steps // 4)
    if step < rise:
        low, part = peak / 25, step / rise
        return low + (peak - low) * (1 - math.cos(math.pi * part)) / 2
    part = (step - rise) / max(1, steps - rise)
    return peak * (1 + math.cos(math.pi * part)) / 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Training:
    """A training under way: its rows, and all that is needed to go on after a stop."""

    images: Images
    labels: Tensor
    recipe: Recipe
    generator: torch.Generator
    model: NetworkModel
    optimiser: torch.optim.Optimizer
    losses: NDArray[np.float32]
    twin: networks.Network | None = None

    @classmethod
    def of(
        cls,
        model: NetworkModel,
        images: Images,
        labels: NDArray[np.int64],
        generator: torch.Generator,
        *,
        halved: bool = False,
    ) -> "_Training":
        """At the beginning."""
        groups = _groups(model.network, model.recipe)
        return cls(
            images=images,
            labels=torch.from_numpy(labels),
            recipe=model.recipe,
            generator=generator,
            model=model,
            optimiser=torch.optim.AdamW(groups, lr=model.recipe.learning_rate, fused=True),
            losses=np.zeros((model.recipe.epochs, len(images)), dtype=np.float32),
            twin=_twin(model.network) if halved else None,
        )

    def run(self, epoch: int, progress: Progress | None) -> None:
        """Pass over all rows once."""
        model, recipe = self.model, self.recipe
        body, mixed = _body(model, rows=len(self.images) * recipe.epochs), autocast(recipe, model.device)
        batches = _batches(torch.randperm(len(self.images), generator=self.generator), recipe.batch_size)
        for step, rows in enumerate(batches, epoch * len(batches)):
            prepared = prepare(self.images[rows.numpy()], model.mean, model.std)
            batch, labels = _augment(prepared, recipe, self.generator), self.labels[rows].to(model.device)
            for group in self.optimiser.param_groups:
                group["lr"] = one_cycle(step, len(batches) * recipe.epochs, recipe.learning_rate)
            self.optimiser.zero_grad(set_to_none=True)
            if self.twin is None or len(rows) < _FEWEST_HALVED:
                each = _taught(body, model.network.head, batch, labels, len(rows), mixed)
            else:
                each = self._taught_by_halves(self.twin, batch, labels)
            self.optimiser.step()
            self.losses[epoch, rows.numpy()] = each.cpu().numpy()
            if progress is not None:
                progress(len(rows))
        if self.twin is not None:
            _share_moments(model.network, self.twin)

    def _taught_by_halves(self, twin: networks.Network, batch: Tensor, labels: Tensor) -> Tensor:
        """As :func:`_taught`, the second half of the batch by the twin, whose gradients are added."""
        network = self.model.network

        def teach_half(job: tuple[networks.Network, Tensor, Tensor]) -> Tensor:
            own, some, wanted = job
            mixed = autocast(self.recipe, self.model.device)
            return _taught(own.body, own.head, some, wanted, len(labels), mixed)

        jobs = zip((network, twin), batch.chunk(2), labels.chunk(2), strict=True)
        each = torch.cat(dealt_out(teach_half, jobs))
        for own, other in zip(network.parameters(), twin.parameters(), strict=True):
            if own.grad is not None and other.grad is not None:
                own.grad += other.grad
                other.grad = None
        return each

    @property
    def rate(self) -> float:
        """Of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def tensors(self, done: int = 0) -> dict[str, Tensor]:
        """Network, moments, random state and losses after `done` epochs."""
        state = {f"network.{name}": value for name, value in self.model.network.state_dict().items()}
        for index, parameter in enumerate(self._parameters()):
            moments = self.optimiser.state.get(parameter, {})
            state[f"{index}.step"] = moments.get("step", torch.tensor(0.0))
            for name in _MOMENTS:
                state[f"{index}.{name}"] = moments.get(name, torch.zeros_like(parameter))
        state |= {"generator": self.generator.get_state(), "losses": torch.from_numpy(self.losses)}
        return state | {"epochs": torch.tensor(done)}

    def restore(self, state: dict[str, Tensor]) -> int:
        """Go back to where :meth:`tensors` was called, and give the number of epochs done: 0 where it makes no sense."""
        done = int(state["epochs"])
        if not 0 < done <= self.recipe.epochs:
            return 0
        try:
            self.generator.set_state(state["generator"])
        except RuntimeError:  # not the state of any generator
            return 0
        network = self.model.network
        network.load_state_dict({name: state[f"network.{name}"] for name in network.state_dict()})
        for index, parameter in enumerate(self._parameters()):
            # In the parameter's own memory order: the fused optimiser walks them side by side.
            moments = {name: torch.zeros_like(parameter).copy_(state[f"{index}.{name}"]) for name in _MOMENTS}
            step = state[f"{index}.step"].to(self.model.device)
            self.optimiser.state[parameter] = {"step": step, **moments}
        if self.twin is not None:
            for own, other in zip(network.buffers(), self.twin.buffers(), strict=True):
                other.copy_(own)
        self.losses[:] = state["losses"].numpy()
        return done

    def _parameters(self) -> Iterator[Tensor]:
        return (parameter for group in self.optimiser.param_groups for parameter in group["params"])


def _taught(
    body: Callable[[Tensor], Tensor],
    head: nn.Module,
    batch: Tensor,
    labels: Tensor,
    rows: int,
    mixed: torch.autocast,
) -> Tensor:
    """The loss of each row, after gradients of their sum over `rows` were taken."""
    with mixed:
        features = body(batch)
    # The head stays in float32: in bf16 its logits would tie many rows' losses.
    each = F.cross_entropy(head(features.float()), labels, reduction="none")
    (each.sum() / rows).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return each.detach()


def _twin(network: networks.Network) -> networks.Network:
    """A copy with the very weights of the network, but gradients and moments of its own."""
    twin = copy.deepcopy(network).train()
    for own, other in zip(network.parameters(), twin.parameters(), strict=True):
        other.data = own.data
    return twin


def _share_moments(network: networks.Network, twin: networks.Network) -> None:
    """Both have seen half of each batch: their moments of normalisation become the mean of both."""
    for own, other in zip(network.buffers(), twin.buffers(), strict=True):
        if own.is_floating_point():
            own.add_(other).div_(2)
        other.copy_(own)


def _body(model: NetworkModel, *, rows: int) -> Callable[[Tensor], Tensor]:
    """All but the head, compiled where a training is long enough to earn the compilation back."""
    body: Callable[[Tensor], Tensor] = model.network.body
    if model.device.type == "cuda" and rows >= _COMPILE_ROWS:
        body = torch.compile(body)
    return body


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Rows of each step. A single row left over joins the last batch: normalisation needs two."""
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _size(shape: tuple[int, ...], longest: int) -> tuple[int, int]:
    """Height and width to which images of this height and width are brought, their proportions kept."""
    scale = min(1.0, longest / max(shape))
    height, width = (max(SMALLEST_SIDE, round(side * scale)) for side in shape)
    return height, width


def _identity(
    images: Images,
    labels: NDArray[np.int64],
    recipe: Recipe,
    generator: torch.Generator,
    device: torch.device,
    halved: bool,
) -> str:
    """SHA-256 of all that decides how a training runs."""
    head = repr((recipe, images.shape, labels.tolist(), device.type, halved, torch.__version__))
    digest = hashlib.sha256(head.encode() + generator.get_state().numpy().tobytes())
    for start in range(0, len(images), BATCH):
        digest.update(images[start : start + BATCH].tobytes())
    return digest.hexdigest()


def _scale(images: Images, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and spread of each channel over some 5,000 images."""
    chosen = np.arange(0, len(images), max(1, len(images) // 5_000))
    total, squares = np.zeros((2, images.shape[1]))
    for start in range(0, len(chosen), BATCH):
        values = images[chosen[start : start + BATCH]].astype(np.float64)
        total += values.sum(axis=(0, 2, 3))
        squares += np.square(values).sum(axis=(0, 2, 3))
    pixels = len(chosen) * images.shape[2] * images.shape[3]
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1.0))
    return torch.from_numpy(mean.astype(np.float32)).to(device), torch.from_numpy(std.astype(np.float32)).to(device)


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    """Weights decay; biases and normalisation don't."""
    decaying = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decaying, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]


def _augment(batch: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    n = len(batch)
    if recipe.flip:
        mirrored = torch.rand(n, generator=generator) < 0.5
        batch[mirrored] = batch[mirrored].flip(3)
    if recipe.shift:
        s, (height, width) = recipe.shift, batch.shape[2:]
        padded = F.pad(batch, (s, s, s, s))
        top, left = torch.randint(0, 2 * s + 1, (2, n, 1), generator=generator)
        rows, columns = top + torch.arange(height), left + torch.arange(width)
        picked = padded.permute(0, 2, 3, 1)[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
        batch = picked.permute(0, 3, 1, 2)
    return batch
