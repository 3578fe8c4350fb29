"""What a case measures is what the table has a place for."""

import json

from benchmarks.cases import SUITES
from benchmarks.thresholds import GOALS


def test_every_case_has_its_figures_in_the_table():
    """A case that the table does not know would be measured and never shown."""
    assert {suite: set(cases) for suite, cases in SUITES.items()} == {
        suite: set(figures) for suite, figures in GOALS.items()
    }


def test_an_untouched_set_is_measured_with_its_run_record():
    """Every figure that the table shows is there, and the whole result is JSON."""
    case = "untouched-breast_cancer"
    result = json.loads(json.dumps(SUITES["foundation"][case].measure(0, controls=False), allow_nan=False))
    assert {figure.name for figure in GOALS["foundation"][case]} <= set(result["figures"])
    assert result["run"]["digests"]["data"] == result["dataset"]["merkle_root"]
    assert result["run"]["arguments"] == {"controls": False}
