"""Variances of many groups that were each seen a few times: each is drawn towards what all have in common."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from bezoar.maths.stats import Floats

_LEAST = 1e-12
_ALIKE = 1e6
"""Prior degrees of freedom from which all groups have one variance."""


def moderated(residuals: Floats) -> Floats:
    """(k,) variances of k groups from residuals (m, k): a mean of each group's own variance and of the common one.

    How much the common one counts is learnt from how much the groups' own variances differ beyond chance: little where they do,
    wholly where they do not.

    References
    ----------
    Smyth, "Linear models and empirical Bayes methods for assessing differential expression in microarray experiments",
    Statistical Applications in Genetics and Molecular Biology 3(1), 2004, sections 4 and 6.2.
    """
    m, k = residuals.shape
    own: Floats = np.maximum(residuals.var(axis=0, ddof=1), _LEAST)
    if k < 2:
        return own
    half = (m - 1) / 2
    logs = np.log(own) - digamma(half) + np.log(half)
    beyond = float(logs.var(ddof=1) - polygamma(1, half))
    if beyond <= polygamma(1, _ALIKE / 2):
        return np.full(k, np.exp(logs.mean()))
    prior = float(brentq(lambda x: polygamma(1, x) - beyond, 1e-6, _ALIKE))
    common = np.exp(logs.mean() + digamma(prior) - np.log(prior))
    return np.asarray((prior * common + half * own) / (prior + half))
