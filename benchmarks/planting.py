"""Sets with a planted backdoor, for comparisons with peers, which know of no suppliers."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from benchmarks import sets
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.core.data import Dataset


def planted(name: str, attack: BadNets | Blended | None, seed: int) -> tuple[Dataset, NDArray[np.bool_]]:
    """A set, and (n,) which of its rows were poisoned.

    Parameters
    ----------
    name : of the set.
    attack : what is planted, its target chosen by the seed; None leaves the set as it is.
    """
    clean = sets.load(name)
    if attack is None:
        return clean, np.zeros(len(clean), dtype=bool)
    aimed = dataclasses.replace(attack, target=(3 * seed + 1) % len(clean.classes))
    # A stream apart from the audit's own, which starts from the plain seed.
    poisoned = aimed.poison(clean, np.random.default_rng((seed, 1)))
    return poisoned.data, poisoned.changed
