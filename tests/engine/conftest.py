"""One audit of each kind, shared by the tests: real digits with two kinds of poison, the same untouched, real cells."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.label_flip import LabelFlip
from bezoar.core.data import Dataset
from bezoar.core.report import Report
from bezoar.data import read
from bezoar.engine.audit import audit
from bezoar.engine.settings import Settings
from bezoar.learn.recipe import Recipe

QUICK = Recipe(epochs=6, batch_size=32)
SUPPLIERS = ("archive", "crowd", "field-team", "web-crawl")


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A report with the set it is about and the truth."""

    data: Dataset
    report: Report
    stamped: NDArray[np.bool_]
    flipped: NDArray[np.bool_]

    @property
    def flagged(self) -> NDArray[np.bool_]:
        return np.asarray(self.report.rows["flagged"].to_numpy(zero_copy_only=False))


def supplied(data: Dataset, rng: np.random.Generator) -> Dataset:
    return dataclasses.replace(data, source=rng.choice(np.array(SUPPLIERS), len(data)))


@pytest.fixture(scope="session")
def poisoned_digits() -> Audited:
    """3 % BadNets towards 3 from one supplier, 40 sevens called 1 by another, audited with controls."""
    rng = np.random.default_rng(1)
    flips = LabelFlip(count=40, original=7, target=1, supplier="crowd").poison(supplied(read("digits"), rng), rng)
    stamped = BadNets(rate=0.03, target=3, supplier="web-crawl").poison(flips.data, rng)
    report = audit(stamped.data, Settings(recipe=QUICK))
    flipped = flips.changed & ~stamped.changed
    return Audited(data=stamped.data, report=report, stamped=stamped.changed, flipped=flipped)


@pytest.fixture(scope="session")
def clean_digits() -> Audited:
    data = supplied(read("digits"), np.random.default_rng(1))
    nothing = np.zeros(len(data), dtype=bool)
    report = audit(data, Settings(recipe=QUICK, controls=False))
    return Audited(data=data, report=report, stamped=nothing, flipped=nothing)


@pytest.fixture(scope="session")
def flipped_cells() -> Audited:
    """A tenth of the benign rows of breast_cancer called malignant by one supplier, audited without controls."""
    rng = np.random.default_rng(2)
    poisoned = LabelFlip(count=30, original="benign", target="malignant", supplier="crowd").poison(
        supplied(read("breast_cancer"), rng), rng
    )
    report = audit(poisoned.data, Settings(controls=False))
    return Audited(data=poisoned.data, report=report, stamped=np.zeros_like(poisoned.changed), flipped=poisoned.changed)
