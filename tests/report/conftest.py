"""Fixtures of the tests of reports."""

import functools

import pytest

from bezoar.core.report import Report
from sample_reports import REPORTS

_made = functools.cache(lambda name: REPORTS[name]())


@pytest.fixture(params=list(REPORTS))
def report(request) -> Report:
    return _made(request.param)


@pytest.fixture
def found() -> Report:
    return _made("image")


@pytest.fixture
def hostile() -> Report:
    return _made("hostile")
