"""How surprising a score is beside null scores, also beyond the largest of them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bezoar.maths.stats import conformal_p

TAIL = 0.1
"""Share of the null scores whose excess the tail is fitted to."""
_MOST = 25.0
"""No score is more surprising than this many nats: a tail fitted to a few dozen says nothing of what lies farther out."""


def surprise(scores: ArrayLike, null: ArrayLike) -> NDArray[np.float64]:
    """Minus the logarithm of the share of null scores that are as large, (n,) in nats, at most 25.

    Counted up to the upper tenth of the null; beyond, an exponential tail with the mean excess of that tenth, so that
    scores that no null score reaches still differ.

    Parameters
    ----------
    scores : (n,), higher is more suspicious.
    null : (m,) scores of what is known to be clean, m >= 1.

    Raises
    ------
    ParameterError
        Scores that are not finite, or no null.

    References
    ----------
    Coles, "An introduction to statistical modeling of extreme values", 2001, section 4.2 (threshold excesses; here with
    shape 0).
    """
    values, reference = np.asarray(scores, dtype=np.float64), np.asarray(null, dtype=np.float64)
    counted = -np.log(conformal_p(values, reference))
    start = float(np.quantile(reference, 1 - TAIL))
    excess = reference[reference > start] - start
    if not len(excess):
        return np.asarray(np.minimum(counted, _MOST), dtype=np.float64)
    beyond = -np.log(TAIL) + (values - start) / excess.mean()
    found = np.where(values > start, beyond, np.minimum(counted, -np.log(TAIL)))
    return np.asarray(np.minimum(found, _MOST), dtype=np.float64)


def surprise_among(null: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) nats: how surprising each null score is beside the m - 1 others, m >= 2.

    What a new clean score is held against must not be surprised by itself: the largest scores of a null that holds them too are
    less surprising than new ones as large.
    """
    m, ordered = len(null), np.sort(null)
    reached = m - np.searchsorted(ordered, null)
    counted = -np.log(reached / m)
    # The start of the tail without the score itself, which stands at this place of the order.
    place, (below, share) = np.searchsorted(ordered, null), divmod((1 - TAIL) * (m - 2), 1)
    low = ordered[int(below) + (below >= place)]
    high = ordered[np.minimum(int(below) + 1 + (below + 1 >= place), m - 1)]
    start = low + share * (high - low)
    first, own = np.searchsorted(ordered, start, side="right"), null > start
    others = m - first - own
    above = np.append(np.cumsum(ordered[::-1])[::-1], 0.0)[first] - own * null - others * start
    usable = own & (others > 0)
    mean = np.divide(above, others, out=np.ones(m), where=usable)
    found = np.where(usable, -np.log(TAIL) + (null - start) / mean, counted)
    return np.minimum(np.where(own | (others == 0), found, np.minimum(counted, -np.log(TAIL))), _MOST)
