"""Positive controls of a model audit: copies of the very model that are taught a backdoor, then audited like it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.core.attack import Trigger
from bezoar.core.data import Dataset
from bezoar.core.detector import Suspect
from bezoar.core.errors import ParameterError
from bezoar.core.report import PowerRow
from bezoar.learn.white_box import WhiteBox, copied, folded, pixels_of
from bezoar.maths.stats import wilson

STEPS, BATCH, LEARNING_RATE = 150, 32, 1e-3
"""How a copy is taught: long enough for a patch to work on nearly all inputs, short enough to leave the rest alone."""
TAUGHT = 0.8
"""Share of held-out inputs that the trigger must turn for the copy to count as backdoored."""
KINDS = ("patch backdoor", "blended backdoor")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Implanted:
    """A copy of the model with a backdoor.

    Parameters
    ----------
    box : the copy.
    kind : in words.
    target : class index.
    """

    box: WhiteBox
    kind: str
    target: int


def implant(
    box: WhiteBox, suspect: Suspect, held_out: NDArray[np.uint8], kind: str, rng: np.random.Generator
) -> Implanted | None:
    """Teach a copy a backdoor with the clean inputs alone; None where it does not take.

    The copy learns clean inputs with the labels that the model itself gives them, and stamped ones with the target's.
    """
    target = int(rng.integers(box.classes))
    trigger = _trigger(kind, target, suspect, rng)
    if trigger is None:
        return None
    taught = copied(box)
    plain, stamped = (pixels_of(images, box.device) for images in (suspect.clean, trigger(suspect.clean)))
    with torch.no_grad():
        labels = box.logits(plain).argmax(1)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    optimiser = torch.optim.Adam(taught.network.parameters(), lr=LEARNING_RATE)
    wanted = torch.full((BATCH // 2,), target, device=box.device)
    for _ in range(STEPS):
        honest, marked = torch.randint(len(plain), (2, BATCH // 2), generator=generator)
        logits = taught.logits(torch.cat([plain[honest], stamped[marked]]))
        loss = F.cross_entropy(logits, torch.cat([labels[honest], wanted]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
    taught = folded(taught)
    others = held_out[box.predict(held_out).argmax(axis=1) != target]
    turned = taught.predict(trigger(others)).argmax(axis=1) == target
    if not len(others) or turned.mean() < TAUGHT:
        return None
    return Implanted(box=taught, kind=kind, target=target)


def measured(caught: dict[str, list[bool]]) -> tuple[PowerRow, ...]:
    """What was caught of the copies, by kind."""
    rows = []
    for kind, found in caught.items():
        share = wilson(sum(found), len(found))
        rows.append(
            PowerRow(
                kind=kind,
                rate=0.0,
                spiked=len(found),
                caught=sum(found),
                power=share.value,
                low=share.low,
                high=share.high,
            )
        )
    return tuple(rows)


def _trigger(kind: str, target: int, suspect: Suspect, rng: np.random.Generator) -> Trigger | None:
    """A trigger of this kind for these inputs; None where they are too small or too few for one."""
    classes = tuple(map(str, range(suspect.model.classes)))
    clean = Dataset(
        inputs=suspect.clean,
        labels=suspect.labels,
        classes=classes,
        ids=np.arange(len(suspect.labels)).astype(np.str_),
    )
    corners = ("top_left", "top_right", "bottom_left", "bottom_right")
    attack = (
        BadNets(count=1, target=target, place=str(rng.choice(corners)), pattern="random")
        if kind == KINDS[0]
        else Blended(count=1, target=target)
    )
    try:
        return attack.poison(clean, rng).trigger
    except ParameterError:
        return None
