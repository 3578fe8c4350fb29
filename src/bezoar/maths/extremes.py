"""The largest of many: how rare is a value beyond all that were seen?"""

import functools

import numpy as np
from scipy.stats import gumbel_r

from bezoar.maths.stats import Floats

_DRAWN = 4_000


def exceeded(values: Floats, seen: Floats) -> Floats:
    """Chance that the next of some Gumbel variables reaches each of `values`, where `seen` (m,) are all that is known.

    Place and scale come from the moments of so few values and are uncertain, which the chance takes in: it is exact in the mean over
    what might have been seen. The fitted distribution alone would call too many new values rare.

    References
    ----------
    Lawless, "Statistical models and methods for lifetime data", 2nd ed., 2003, section 5.1.2 (prediction from pivots of a location and
    scale family); Gumbel, "Statistics of extremes", 1958, section 6.2.6 (moments).
    """
    place, scale = _moments(seen[None])
    places, scales = _pivots(len(seen))
    apart = (values - place) / scale
    return np.asarray(gumbel_r.sf(places + scales * apart[..., None]).mean(axis=-1))


@functools.cache
def _pivots(m: int) -> tuple[Floats, Floats]:
    """Place and scale, each (draws,), that samples of m standard Gumbel variables would be taken to have."""
    return _moments(np.random.default_rng(0).gumbel(size=(_DRAWN, m)))


def _moments(samples: Floats) -> tuple[Floats, Floats]:
    """Place and scale of the Gumbel distribution with the mean and the spread of each of several samples (s, m)."""
    scale = np.maximum(samples.std(axis=1, ddof=1) * np.sqrt(6) / np.pi, np.finfo(np.float64).tiny)
    return samples.mean(axis=1) - np.euler_gamma * scale, scale
