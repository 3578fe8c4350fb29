"""Every hostile file is caught, with the finding that it is made for, and nothing that it names is imported or run."""

import pytest
from benchmarks.model_corpus.containers import CONTAINERS
from benchmarks.model_corpus.pickles import PICKLES

from bezoar.learn.modelfiles import Verdict, scan, worst

HOSTILE = PICKLES | CONTAINERS


def made(case, folder):
    path = folder / case.file
    (path if case.file.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
    case.make(path)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_caught(name, tmp_path):
    case = HOSTILE[name]
    scans = scan(made(case, tmp_path))
    said = [(reason.code, reason.where, reason.what) for found in scans for reason in found.reasons]
    assert worst(scans) == Verdict(case.verdict), said
    assert case.code in {code for code, _, _ in said}, said
