"""Sets with a planted backdoor, for comparisons with peers, which know of no suppliers."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from benchmarks import sets
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset


def planted(name: str, attack: BadNets | Blended | None, seed: int) -> tuple[Dataset, NDArray[np.bool_]]:
    """A set, and (n,) which of its rows were poisoned.

    Parameters
    ----------
    name : of the set.
    attack : what is planted, its target chosen by the seed; None leaves the set as it is.
    """
    if attack is None:
        clean = sets.load(name)
        return clean, np.zeros(len(clean), dtype=bool)
    poisoned = poison(name, attack, seed)
    return poisoned.data, poisoned.changed


def poison(name: str, attack: BadNets | Blended, seed: int) -> Poisoned:
    """A set with this planted in it, its target chosen by the seed."""
    clean = sets.load(name)
    aimed = dataclasses.replace(attack, target=(3 * seed + 1) % len(clean.classes))
    # A stream apart from the audit's own, which starts from the plain seed.
    return aimed.poison(clean, np.random.default_rng((seed, 1)))
