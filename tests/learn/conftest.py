"""What the tests of training share."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from bezoar.core.data import Dataset


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small nets train fastest on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """600 real digits of 8 x 8 pixels."""
    images, labels = load_digits(return_X_y=True)
    images = np.rint(images[:600] * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Dataset(
        inputs=images, labels=labels[:600].astype(np.int64), classes=tuple("0123456789"), ids=np.arange(600).astype(str)
    )
