"""What the tests of grids share: a small set, and a package from elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import made_kind

ROWS = 300


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> str:
    """300 real digits as a file."""
    images, labels = load_digits(return_X_y=True)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, x=np.rint(images[:ROWS] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8), y=labels[:ROWS])
    return str(path)


@pytest.fixture
def made(tmp_path, monkeypatch) -> Path:
    """The package from elsewhere is installed; gives the file in which it writes down what it did."""
    site = tmp_path / "site"
    site.mkdir()
    made_kind.install(site)
    monkeypatch.syspath_prepend(site)
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("MADE_LOG", str(log))
    return log
