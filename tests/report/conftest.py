"""Fixtures of the tests of reports."""

import pytest

from bezoar.core.report import Report
from sample_reports import REPORTS, hostile_report, image_report


@pytest.fixture(params=list(REPORTS))
def report(request) -> Report:
    return REPORTS[request.param]()


@pytest.fixture
def found() -> Report:
    return image_report()


@pytest.fixture
def hostile() -> Report:
    return hostile_report()
