"""What the tests of readers and writers share."""

import os
from pathlib import Path

import pytest

from samples import save_all


@pytest.fixture(scope="session")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small valid sets by form."""
    return save_all(tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real sets."""
    folder = os.environ.get("BEZOAR_DATA")
    if not folder:
        pytest.skip("BEZOAR_DATA names no folder of real data sets")
    return Path(folder)
