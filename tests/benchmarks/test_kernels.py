"""The benchmarks of the kernels, at sizes that take a second."""

import json

import pytest
from benchmarks.cases import KERNELS
from benchmarks.kernels import ManyFeatures, NearVectors
from benchmarks.thresholds import GOALS

from benchmarks import programs


@pytest.mark.parametrize(
    ("case", "small"),
    [
        ("features-1m-by-512", ManyFeatures(rows=3_000, width=32, classes=3)),
        ("near-50k-by-384", NearVectors(rows=1_000, width=32)),
    ],
)
def test_a_small_case_has_every_figure_of_the_table_and_finds_what_was_planted(case, small, monkeypatch):
    monkeypatch.setattr(programs, "share_cores", lambda: None)  # it would bind the other tests as well
    assert type(KERNELS[case]) is type(small)
    result = json.loads(json.dumps(small.measure(0, controls=False), allow_nan=False))
    assert {figure.name for figure in GOALS["kernels"][case]} == set(result["figures"])
    for name in {"recall", "wrong_auroc"} & set(result["figures"]):
        assert result["figures"][name] >= 0.95
