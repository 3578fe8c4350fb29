"""Files as the libraries save them are called safe: a scanner that cries over everything is switched off."""

import pytest
from benchmarks.model_corpus.honest import HONEST

from bezoar.learn.modelfiles import Verdict, scan, worst


@pytest.fixture(scope="module", autouse=True)
def _quiet_fits():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_file_is_safe(name, tmp_path):
    case = HONEST[name]
    path = tmp_path / case.file
    (path if case.file.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
    case.make(path)
    scans = scan(path)
    assert worst(scans) is Verdict.SAFE, [reason for found in scans for reason in found.reasons]
