"""How strongly the channels of a convolution can answer."""

import torch
from torch import Tensor


def channel_bounds(weights: Tensor) -> Tensor:
    """Upper bound of each output channel's Lipschitz constant, (out,), of weights (out, in, h, w).

    The spectral norm of the channel's weights as a matrix (in, h * w). Where a normalisation follows, fold it into the
    weights first.

    References
    ----------
    Zheng et al., "Data-free backdoor removal based on channel Lipschitzness", ECCV 2022, equation 6.
    """
    norms: Tensor = torch.linalg.matrix_norm(weights.flatten(2).float(), ord=2)
    return norms
