"""IBD-PSC: inputs whose prediction survives amplified weights."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.errors import InputError
from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Level, Positive, Validated
from bezoar.detectors.inputs.passing import by_batches, opened_box
from bezoar.learn.white_box import WhiteBox, copied, folded


@dataclass(frozen=True, slots=True, kw_only=True)
class IbdPsc(Validated):
    """How sure the model stays of an input while scale and shift of its last normalisations are turned up.

    Amplified networks push honest inputs to other classes; the path of a trigger is so strong that its class stays.

    Known limits: only networks with batch normalisation. Departure from the paper: in networks with few normalisations,
    where amplifying all of them once leaves clean inputs right, they are turned up further until it does not.

    Parameters
    ----------
    models : amplified copies, one pass each beside that of the model itself. Each amplifies one normalisation more than
        the last. The paper uses 5.
    factor : by which scale and shift of a normalisation are multiplied. The paper uses 1.5.
    failing : share of clean inputs that the first copy must get wrong. The paper uses 0.6.

    References
    ----------
    Hou et al., "IBD-PSC: input-level backdoor detection via parameter-oriented scaling consistency", ICML 2024,
    section 4 and algorithm 1 (choice of the first layer).
    """

    models: Count = 5
    factor: Positive = 1.5
    failing: Level = 0.6

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One for each copy, and one for the input."""
        return 1 + self.models

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """How many normalisations each copy amplifies, and by which power of the factor.

        Raises
        ------
        InputError
            The network has no batch normalisation, or its layers cannot be reached.
        """
        box = opened_box(suspect.model)
        layers = len(_normalisations(box.network))
        if not layers:
            raise InputError("IBD-PSC needs batch normalisation, which the network has not.")
        # Steps of growing strength: one layer more each, and from the first layer on one power more.
        steps = [(min(step, layers), 1 + max(0, step - layers)) for step in range(1, layers + _POWERS + self.models)]
        first = next(
            (index for index, step in enumerate(steps) if self._wrong(box, step, suspect) >= self.failing),
            len(steps) - self.models,
        )
        chosen = np.array(steps[min(first, len(steps) - self.models) :][: self.models])
        return {"layers": chosen[:, 0], "powers": chosen[:, 1]}

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Mean probability, over the amplified copies, of the class that the input itself gets."""
        box = opened_box(model)
        steps = zip(learned["layers"].tolist(), learned["powers"].tolist(), strict=True)
        copies = [self._amplified(box, step) for step in steps]

        def score(pixels: Tensor) -> Tensor:
            own = box.logits(pixels).argmax(1, keepdim=True)
            return torch.stack([torch.softmax(each.logits(pixels), 1).gather(1, own)[:, 0] for each in copies]).mean(0)

        return by_batches(score, box.device, passes=1)

    def _wrong(self, box: WhiteBox, step: tuple[int, int], suspect: Suspect) -> float:
        """Share of the clean inputs that a copy gets wrong."""
        return float((self._amplified(box, step).predict(suspect.clean).argmax(1) != suspect.labels).mean())

    def _amplified(self, box: WhiteBox, step: tuple[int, int]) -> WhiteBox:
        """A copy whose last normalisations are turned up."""
        (count, power), other = step, copied(box)
        with torch.no_grad():
            for layer in _normalisations(other.network)[-count:]:
                layer.weight.mul_(self.factor**power)
                layer.bias.mul_(self.factor**power)
        return folded(other)


_POWERS = 6
"""How many powers of the factor are tried where amplifying all normalisations once is not enough."""


def _normalisations(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d) and layer.affine]
