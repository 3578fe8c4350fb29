"""A trained network in one safetensors file that says itself what it is. Nothing in it can be executed."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import pydantic
import safetensors
import safetensors.torch
import torch

from bezoar.core.errors import InputError
from bezoar.core.files import write_bytes
from bezoar.core.validation import Count
from bezoar.learn import networks
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel

FORM = "bezoar.network/1"
_KEY = "bezoar"
_MOST_CLASSES, _LONGEST = 100_000, 500
_WEIGHTS, _SCALING = "network.", ("mean", "std")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a file says of the network in it.

    Parameters
    ----------
    form : of this card.
    recipe : how the network was trained; its architecture says how it is built.
    channels : of an image.
    size : height and width in pixels to which images are brought.
    classes : class names, in the order of the logits.
    """

    form: str
    recipe: Recipe
    channels: Annotated[int, pydantic.Field(ge=1, le=64)]
    size: tuple[Count, Count]
    classes: tuple[str, ...]


_CARD = pydantic.TypeAdapter(Card)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saved:
    """A network that was read back, and its class names."""

    model: NetworkModel
    classes: tuple[str, ...]


def save(path: Path, model: NetworkModel, classes: tuple[str, ...]) -> Path:
    """Write a network with its scaling, recipe and class names. Raises ``OutputError`` where it cannot be written."""
    card = Card(form=FORM, recipe=model.recipe, channels=len(model.mean), size=model.size, classes=classes)
    tensors = {f"{_WEIGHTS}{name}": value for name, value in model.network.state_dict().items()}
    tensors |= {"mean": model.mean, "std": model.std}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    said = json.dumps(_CARD.dump_python(card, mode="json"), ensure_ascii=False)
    return write_bytes(path, safetensors.torch.save(plain, {_KEY: said}))


def card_of(path: Path) -> Card | None:
    """What a file says of the network in it; None where it holds none of Bezoar's. Raises ``InputError`` where damaged."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            said = (file.metadata() or {}).get(_KEY)
    except (OSError, safetensors.SafetensorError):
        return None
    return None if said is None else _card(said, path)


def load(path: Path, device: torch.device) -> Saved:
    """The network in a file, whoever wrote it.

    Raises
    ------
    InputError
        No such file, damaged, of another form; weights of another architecture, missing or not finite.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            said = (file.metadata() or {}).get(_KEY)
            if said is None:
                raise InputError(f"{path}: does not say of which architecture it is. Name one with --architecture.")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as safetensors: {' '.join(str(error).split())[:200]}.") from error
    card = _card(said, path)
    weights = {name.removeprefix(_WEIGHTS): value for name, value in tensors.items() if name.startswith(_WEIGHTS)}
    network = built(card.recipe.architecture, weights, channels=card.channels, card=card, path=path)
    mean, std = (_scaling(tensors, name, card.channels, path) for name in _SCALING)
    model = NetworkModel(
        network=network.to(device, memory_format=torch.channels_last).eval(),  # type: ignore[call-overload]  # missing in torch's stubs
        mean=mean.to(device),
        std=std.to(device),
        recipe=card.recipe,
        size=card.size,
        device=device,
    )
    return Saved(model=model, classes=card.classes)


def built(
    architecture: str, weights: dict[str, torch.Tensor], *, channels: int, card: Card, path: Path
) -> networks.Network:
    """A network of this architecture with these weights.

    Raises
    ------
    InputError
        They are of another architecture, incomplete, or not finite.
    """
    with torch.device("meta"):
        network = networks.build(architecture, channels=channels, classes=len(card.classes), side=max(card.size))
    network.to_empty(device="cpu")
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in weights]
    wrong += [f"{name} has no place" for name in weights if name not in own]
    wrong += [
        f"{name} must be {tuple(own[name].shape)}, is {tuple(value.shape)}"
        for name, value in weights.items()
        if name in own and own[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(f"{path}: does not fit the architecture {architecture}: {'; '.join(wrong[:3])}{more}.")
    bad = [name for name, value in weights.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if bad:
        raise InputError(f"{path}: {bad[0]} holds numbers that are not finite. No prediction of it means anything.")
    network.load_state_dict(weights)
    return network


def _card(said: str, path: Path) -> Card:
    try:
        card = _CARD.validate_python(json.loads(said))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its description cannot be read: {' '.join(str(error).split())[:200]}.") from error
    names = card.classes
    if card.form != FORM:
        raise InputError(f"{path}: is of the form {card.form[:40]!r}; {FORM} is known.")
    if not 2 <= len(names) <= _MOST_CLASSES or len(set(names)) != len(names) or max(map(len, names)) > _LONGEST:
        raise InputError(f"{path}: must name 2 to {_MOST_CLASSES:,} different classes of up to {_LONGEST} characters.")
    return card


def _scaling(tensors: dict[str, Any], name: str, channels: int, path: Path) -> torch.Tensor:
    value = tensors.get(name)
    if (
        value is None
        or value.shape != (channels,)
        or not torch.isfinite(value).all()
        or (name == "std" and (value <= 0).any())
    ):
        raise InputError(f"{path}: `{name}` must be {channels} finite numbers.")
    scaling: torch.Tensor = value.float()
    return scaling
