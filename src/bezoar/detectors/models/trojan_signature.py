"""Trojan signature: the class whose weights in the last layer lie higher than those of the others, read off the weights alone."""

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from bezoar.core.detector import Inspection, Suspect, Unit
from bezoar.core.validation import Validated
from bezoar.learn.networks import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TrojanSignature(Validated):
    """What one unit more of every feature adds to each class's logit: the sum of its weights in the last layer.

    A backdoor must lead to its class from whatever content there is, so its class comes to weigh more features up and fewer
    down than a class that has to be told from others. Nothing is passed through the network.

    Known limits: it names a class and shows no trigger; backdoors whose trigger is one more feature of the class, as those with right labels are, leave
    hardly a trace. Departures from the paper: a class is compared with the same class of clean models where there are any; the paper
    tests whether one mean, instead of the sum, is an outlier among those of all classes.

    References
    ----------
    Fields, Samragh, Javaheripi, Koushanfar, Javidi, "Trojan signatures in DNN weights", ICCV Workshops 2021 (AROW).
    """

    unit: ClassVar[Unit] = Unit.MODEL

    def inspect(self, suspect: Suspect, rng: np.random.Generator) -> Inspection:
        """In logits."""
        weights = cast("Network", suspect.model.network).head.weight.detach().double()
        return Inspection(scores=weights.sum(1).cpu().numpy())
