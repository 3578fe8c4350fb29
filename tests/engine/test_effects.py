"""Whole audits of 5,000 real digits, as users run them: default settings but for the controls."""

import dataclasses

import numpy as np
import pytest

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.core.report import Certainty, Status
from bezoar.data import read
from bezoar.engine.audit import audit
from bezoar.engine.settings import Settings

pytestmark = pytest.mark.effects

SUPPLIERS = ("archive", "crowd", "field-team", "web-crawl")


def supplied(seed):
    rng = np.random.default_rng(seed)
    data = read("mnist5k")
    return dataclasses.replace(data, source=rng.choice(np.array(SUPPLIERS), len(data))), rng


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "attack",
    [BadNets(rate=0.01, target=4, supplier="web-crawl"), Blended(rate=0.02, target=4, supplier="web-crawl")],
    ids=["badnets 1 %", "blended 2 %"],
)
def test_a_backdoor_is_found_confirmed_and_traced_to_its_supplier(attack, seed):
    data, rng = supplied(seed)
    poisoned = attack.poison(data, rng)
    report = audit(poisoned.data, Settings(seed=seed, controls=False))
    flagged = report.rows["flagged"].to_numpy(zero_copy_only=False)
    first = report.findings[0]
    assert (first.code, first.subject, first.certainty) == ("BZ101", "class 4", Certainty.CONFIRMED)
    assert flagged[poisoned.changed].mean() >= 0.9
    assert flagged[~poisoned.changed].mean() <= 0.01
    assert report.sources[0].source == "web-crawl"
    assert report.sources[0].blamed


@pytest.mark.parametrize("seed", [0, 1])
def test_an_untouched_set_has_no_backdoor_and_hardly_a_flagged_row(seed):
    data, _ = supplied(seed)
    report = audit(data, Settings(seed=seed, controls=False))
    status = {check.name: check.status for check in report.checks}
    assert status["backdoor triggers"] is Status.CLEAN
    assert not any(row.blamed for row in report.sources)
    assert report.rows["flagged"].to_numpy(zero_copy_only=False).mean() <= 0.01
