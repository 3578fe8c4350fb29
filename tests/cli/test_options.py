"""What commands share."""

from pathlib import Path

import pytest

from bezoar.cli.options import prepare_folder
from bezoar.core.errors import UsageError


def test_results_are_never_written_into_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="lies in the data itself"):
        prepare_folder(Path("out"), ".", ())


def test_a_command_without_data_writes_to_any_folder(tmp_path, monkeypatch):
    """`bezoar demo` brings its own data: the folder in which it is run is none."""
    monkeypatch.chdir(tmp_path)
    prepare_folder(Path("out"), (), ())
    assert Path("out").is_dir()
