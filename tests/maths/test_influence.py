"""Influence by the last layer, against gradients that torch computes row by row."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bezoar.maths.influence import Gradients, traced_influence


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_the_sum_over_checkpoints_of_products_of_gradients(seed):
    rng = np.random.default_rng(seed)
    n, m, d, k, rates = 7, 4, 5, 3, (0.1, 0.03)
    labels, wanted = rng.integers(0, k, n), rng.integers(0, k, m)
    expected, rows, aims = np.zeros(n), [], []
    for rate in rates:
        head = torch.nn.Linear(d, k).double()
        features, others = (torch.from_numpy(rng.standard_normal((size, d))) for size in (n, m))

        def gradient(x, y, head=head):
            loss = F.cross_entropy(head(x), torch.from_numpy(y))
            return torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(head.parameters()))])

        aim = gradient(others, wanted)
        expected += [rate * float(gradient(features[i : i + 1], labels[i : i + 1]) @ aim) for i in range(n)]
        for kept, x, y in ((rows, features, labels), (aims, others, wanted)):
            log_probabilities = F.log_softmax(head(x), dim=1).detach().numpy()
            kept.append(Gradients.of(log_probabilities, x.numpy(), y))
    assert traced_influence(rows, aims, rates) == pytest.approx(expected, rel=1e-6)


def test_a_row_helps_inputs_that_are_like_it_and_have_its_label():
    """One step: its own gradient with itself is a square."""
    same = Gradients.of(np.log(np.array([[0.5, 0.5]])), np.array([[1.0, 2.0]]), np.array([0]))
    other = Gradients.of(np.log(np.array([[0.5, 0.5]])), np.array([[1.0, 2.0]]), np.array([1]))
    assert traced_influence([same], [same], [1.0])[0] > 0
    assert traced_influence([other], [same], [1.0])[0] < 0
