"""Transform consistency: inputs whose prediction takes a slight move as hardly any clean input's does."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bezoar.core.detector import Learned, Scorer, Suspect, Unit
from bezoar.core.model import HasGradients
from bezoar.core.validation import Positive, Validated
from bezoar.detectors.inputs.passing import by_batches, device_of
from bezoar.maths.surprise import surprise

_MOVES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformConsistency(Validated):
    """How rare it is among clean inputs that a prediction stays so sure, or turns so unsure, when the picture is moved a little.

    The picture is turned, and enlarged, with what that blurs. A trigger that must lie where it was learned loses its hold, and
    with it goes the class; a trigger that is itself a bend or a blur holds on where honest content wavers.

    Known limits: networks that were trained on turned pictures, and tasks in which turning changes the class. Departures from
    the paper: moves in place of multiples of the pixels, both ends of what is usual in place of the steady one, and
    the mean loss instead of a count.

    Parameters
    ----------
    angle : by which the picture is turned, in degrees.
    zoom : by which it is enlarged.

    References
    ----------
    Guo et al., "SCALE-UP: an efficient black-box input-level backdoor detection via analyzing scaled prediction
    consistency", ICLR 2023, section 4; Li et al., "Backdoor attack in the physical world", arXiv 2104.02361, 2021 (triggers
    that fail when they are moved).
    """

    angle: Positive = 8.0
    zoom: Positive = 1.1

    unit: ClassVar[Unit] = Unit.INPUT

    @property
    def passes(self) -> int:
        """One for each move, and one for the input."""
        return 1 + _MOVES

    def fit(self, suspect: Suspect, rng: np.random.Generator) -> Learned:
        """(m,) what the moves do to each clean input, in order."""
        return {"usual": np.sort(self._moved(suspect.model)(suspect.clean)).astype(np.float32)}

    def scorer(self, model: HasGradients, learned: Learned) -> Scorer:
        """Nats by which few clean inputs are as steady, or as shaken, whichever are fewer."""
        usual, moved = np.asarray(learned["usual"], dtype=np.float64), self._moved(model)

        def score(images: NDArray[np.uint8]) -> NDArray[np.float64]:
            loss = moved(images)
            return np.maximum(surprise(loss, usual), surprise(-loss, -usual))

        return score

    def _moved(self, model: HasGradients) -> Scorer:
        """Logarithm of the mean loss, over the moves, of the class that the input itself gets."""

        def loss(pixels: Tensor) -> Tensor:
            own = model.logits(pixels).argmax(1)
            moved = torch.cat([_moved(pixels, self.angle, 1.0), _moved(pixels, 0.0, self.zoom)])
            each = F.cross_entropy(model.logits(moved), own.repeat(_MOVES), reduction="none")
            return each.view(_MOVES, -1).mean(0).clamp_min(1e-9).log()

        return by_batches(loss, device_of(model), passes=self.passes)


def _moved(pixels: Tensor, angle: float, zoom: float) -> Tensor:
    """Pixels (n, c, h, w) turned by an angle in degrees and enlarged around the middle; what lies outside is the border's."""
    cosine, sine = math.cos(math.radians(angle)) / zoom, math.sin(math.radians(angle)) / zoom
    move = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]], device=pixels.device)
    grid = F.affine_grid(move.expand(len(pixels), -1, -1), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
