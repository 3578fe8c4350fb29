"""Beatrix: inputs whose feature maps go together as they do in no clean input of their class."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Count, Positive, Validated
from bezoar.detectors.inputs.layers import activations
from bezoar.detectors.inputs.passing import by_batches, opened_box
from bezoar.learn.white_box import pixels_of

_FEWEST = 5
"""Clean inputs of a class that tell how its features vary; of fewer, all classes together are asked."""
_MOST_PAIRS, _FARTHEST = 4_096, 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beatrix(Validated):
    """How far Gram matrices of an input's last feature maps lie outside what clean inputs of its predicted class show.

    A trigger's features come beside those of the content: channels are active together that never are in honest inputs.

    Known limits: classes with few clean inputs. Departures from the paper: pairs of channels are drawn at random where
    there are very many, and deviations are measured in the width of the clean range instead of its ends, which may be 0.
    The paper's test of whole classes is left to the audit of models.

    Parameters
    ----------
    orders : powers of the feature maps whose Gram matrices are looked at, from 1. The paper uses 8.
    width : of the clean range around the class's median, in median absolute deviations. The paper uses 10.

    References
    ----------
    Ma et al., "The 'Beatrix' resurrections: robust backdoor detection via Gram matrices", NDSS 2023, section IV
    (Gram matrices of orders, deviation from median and MAD).
    """

    orders: Count = 8
    width: Positive = 10.0

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One."""
        return 1

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """Which pairs of channels are looked at; (k, m) median and deviation of each order and pair by class.

        Raises
        ------
        InputError
            The network has no convolution, or its layers cannot be reached.
        """
        box = opened_box(suspect.model)
        with torch.inference_mode():
            maps = activations(box, pixels_of(suspect.clean, box.device))[0][-1]
            pairs = np.stack(np.triu_indices(maps.shape[1]))
            if pairs.shape[1] > _MOST_PAIRS:
                pairs = pairs[:, np.sort(rng.choice(pairs.shape[1], _MOST_PAIRS, replace=False))]
            found = self._gram(maps, pairs).cpu().numpy()
        middle, spread = _ranges(found, suspect)
        return {"pairs": pairs, "middle": middle, "spread": spread}

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Mean, over orders and pairs, of the distance beyond the clean range, in widths of that range."""
        box, pairs = opened_box(model), learned["pairs"]
        middle, spread = (torch.from_numpy(learned[name]).to(box.device) for name in ("middle", "spread"))

        def score(pixels: Tensor) -> Tensor:
            layers, logits = activations(box, pixels)
            own = logits.argmax(1)
            apart = (self._gram(layers[-1], pairs) - middle[own]).abs() / (self.width * spread[own])
            return (apart - 1).clamp(0, _FARTHEST).mean(1)

        return by_batches(score, box.device, passes=4)

    def _gram(self, maps: Tensor, pairs: NDArray[np.int64]) -> Tensor:
        """(n, orders * pairs) entries of the Gram matrices of powers of feature maps, taken back to the scale of products."""
        flat, (left, right) = maps.flatten(2), torch.from_numpy(pairs).to(maps.device)
        found = []
        for order in range(1, self.orders + 1):
            powers = flat**order
            gram = powers @ powers.transpose(1, 2)
            found.append(gram[:, left, right] ** (1 / order))
        return torch.cat(found, dim=1)


def _ranges(found: NDArray[np.float32], suspect: Suspect) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(k, m) median and median absolute deviation of clean inputs by class."""
    floor = 0.05 * found.mean(axis=0) + 1e-6
    middles, spreads = [], []
    for label in range(suspect.model.classes):
        own = found[suspect.labels == label]
        own = own if len(own) >= _FEWEST else found
        middle = np.median(own, axis=0)
        middles.append(middle)
        spreads.append(np.maximum(np.median(np.abs(own - middle), axis=0), floor))
    return np.stack(middles).astype(np.float32), np.stack(spreads).astype(np.float32)
