"""One trainer for all networks: one-cycle schedule, bf16 and channels-last where they pay, resume."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bezoar.core.files import write_bytes
from bezoar.learn import networks
from bezoar.learn.device import computes_in_bfloat16
from bezoar.learn.recipe import Recipe

Progress = Callable[[int], None]
"""Told after every epoch how many rows were passed since it was last told."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkModel:
    """A trained network with the scaling of its inputs.

    Parameters
    ----------
    network : in evaluation mode.
    mean, std : (channels,) of the training images, on the scale of 0 to 255.
    recipe : how it was trained.
    side : images are brought to this many pixels a side, or left alone where None.
    device : where it lives.
    """

    network: networks.Network
    mean: Tensor
    std: Tensor
    recipe: Recipe
    side: int | None
    device: torch.device

    def predict(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, k) log-probabilities of images (n, c, h, w)."""
        return self._run(lambda batch: F.log_softmax(self.network(batch).float(), dim=1), inputs)

    def features(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, d) penultimate features of images (n, c, h, w)."""
        return self._run(lambda batch: self.network.features(batch).float(), inputs)

    def predict_with_features(self, inputs: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Log-probabilities (n, k) and features (n, d) in one pass."""
        features = self.features(inputs)
        with torch.inference_mode():
            logits = self.network.head(torch.from_numpy(features).to(self.device))
            return F.log_softmax(logits, dim=1).cpu().numpy(), features

    def _run(self, function: Callable[[Tensor], Tensor], images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode(), autocast(self.recipe, self.device):
            parts = [
                function(prepare(images[start : start + 512], self.mean, self.std, self.side)).cpu()
                for start in range(0, len(images), 512)
            ]
        return torch.cat(parts).numpy()


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The autocast context of a recipe."""
    wanted = recipe.precision == "bfloat16" or (recipe.precision == "auto" and computes_in_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def prepare(images: NDArray[np.uint8], mean: Tensor, std: Tensor, side: int | None) -> Tensor:
    """Scaled float images, channels last, where `mean` lives."""
    batch = torch.from_numpy(np.ascontiguousarray(images)).to(mean.device).float()
    if side is not None:
        batch = F.interpolate(batch, (side, side), mode="area")
    scaled = (batch - mean[:, None, None]) / std[:, None, None]
    return scaled.contiguous(memory_format=torch.channels_last)


def train(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    device: torch.device | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> tuple[NetworkModel, NDArray[np.float32]]:
    """Train a network.

    Parameters
    ----------
    images : (n, c, h, w) uint8.
    labels : (n,) int in 0 to `classes` - 1.
    generator : on the CPU; it alone decides weights, order and augmentation.
    checkpoint : a folder's path without suffix; written after each epoch and resumed from when it is there.

    Returns
    -------
    The model, and the loss of each row in nats as it was trained on, (epochs, n).
    """
    device = device or torch.device("cpu")
    n, channels, height, width = images.shape
    side = recipe.resize if max(height, width) > recipe.resize or height != width else None
    mean, std = _scale(images, device)
    network = _fresh(recipe, generator, channels=channels, classes=classes, side=side or height).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    compiled = torch.compile(network) if device.type == "cuda" and n * recipe.epochs >= 500_000 else network
    steps = -(-n // recipe.batch_size)
    optimiser = torch.optim.AdamW(_groups(network, recipe), lr=recipe.learning_rate)
    losses = np.zeros((recipe.epochs, n), dtype=np.float32)
    targets = torch.from_numpy(labels)
    state = _State(network, optimiser, generator, losses)
    for epoch in range(state.resume(checkpoint), recipe.epochs):
        network.train()
        order = torch.randperm(n, generator=generator)
        for step, start in enumerate(range(0, n, recipe.batch_size), epoch * steps):
            rows = order[start : start + recipe.batch_size]
            if len(rows) == 1 and n > 1:  # batch normalisation has no variance over one row
                continue
            batch = _augment(prepare(images[rows.numpy()], mean, std, side), recipe, generator)
            with autocast(recipe, device):
                logits = compiled(batch)
            each = F.cross_entropy(logits.float(), targets[rows].to(device), reduction="none")
            for group in optimiser.param_groups:
                group["lr"] = one_cycle(step, steps * recipe.epochs, recipe.learning_rate)
            optimiser.zero_grad(set_to_none=True)
            each.mean().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            losses[epoch, rows.numpy()] = each.detach().cpu().numpy()
        state.save(checkpoint, epoch + 1)
        if progress is not None:
            progress(n)
    network.eval()
    return NetworkModel(network=network, mean=mean, std=std, recipe=recipe, side=side, device=device), losses


def _scale(images: NDArray[np.uint8], device: torch.device) -> tuple[Tensor, Tensor]:
    sample = images[:: max(1, len(images) // 5_000)].astype(np.float32)
    mean, std = sample.mean(axis=(0, 2, 3)), sample.std(axis=(0, 2, 3))
    return torch.from_numpy(mean).to(device), torch.from_numpy(np.maximum(std, 1.0)).to(device)


def _fresh(recipe: Recipe, generator: torch.Generator, *, channels: int, classes: int, side: int) -> networks.Network:
    """New weights drawn from `generator` alone, whatever other threads draw from torch's global one."""
    with torch.device("meta"):
        network = networks.build(recipe.architecture, channels=channels, classes=classes, side=side)
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return network


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


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of a step: up to `peak` over the first quarter, then down to nearly 0, both as cosines."""
    rise = max(1, steps // 4)
    if step < rise:
        low, part = peak / 25, step / rise
        return low + (peak - low) * (1 - math.cos(math.pi * part)) / 2
    part = (step - rise) / max(1, steps - rise)
    return peak * (1 + math.cos(math.pi * part)) / 2


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """All that a training needs to go on where it was stopped."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    losses: NDArray[np.float32]

    def save(self, path: Path | None, epoch: int) -> None:
        if path is None:
            return
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in moments.items()}
        tensors |= {"generator": self.generator.get_state(), "losses": torch.from_numpy(self.losses)}
        written = safetensors.torch.save(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, {"epoch": str(epoch)}
        )
        write_bytes(path, written)

    def resume(self, path: Path | None) -> int:
        """Load what was saved and give the epoch to go on with: 0 where nothing was."""
        if path is None or not path.exists():
            return 0
        with safetensors.safe_open(path, framework="pt") as file:
            epoch = int(file.metadata()["epoch"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        network = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        self.network.load_state_dict(network)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser."):
                _, index, moment = name.split(".")
                moments.setdefault(int(index), {})[moment] = value
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})
        self.generator.set_state(tensors["generator"])
        self.losses[:] = tensors["losses"].numpy()
        return epoch
