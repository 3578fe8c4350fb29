"""The whole story on real digits: poison planted, its effect, the audit, the repair, the effect again."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.label_flip import LabelFlip
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset
from bezoar.core.report import Report
from bezoar.data import read
from bezoar.engine.audit import audit
from bezoar.engine.repair import apply
from bezoar.engine.settings import Settings
from bezoar.learn.recipe import default_recipe
from bezoar.learn.training import NetworkModel, train
from bezoar.maths.stats import Interval, wilson
from bezoar.mitigations.data.relabel import Relabel

SUPPLIERS = ("annotators", "archive", "crowd", "field-team", "web-crawl")
BACKDOORED_BY, FLIPPED_BY = "web-crawl", "crowd"
HELD_OUT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Story:
    """What was done and what came of it.

    Parameters
    ----------
    report : of the audit.
    poisoned : the training set with both kinds of poison; ``changed`` marks the backdoor's rows.
    flipped : (n,) rows whose label was flipped.
    asr : attack success rate on held-out rows not of the target class, before and after.
    accuracy : on held-out rows as they are, before and after.
    seven_as_one : held-out sevens that are called one, before and after.
    """

    report: Report
    poisoned: Poisoned
    flipped: NDArray[np.bool_]
    asr: tuple[Interval, Interval]
    accuracy: tuple[Interval, Interval]
    seven_as_one: tuple[Interval, Interval]

    @property
    def found(self) -> dict[str, tuple[int, int]]:
        """(found, planted) rows by kind, and under "false alarms" (flagged, honest) rows."""
        flagged = self.report.rows["flagged"].to_numpy(zero_copy_only=False)
        stamped = self.poisoned.changed
        honest = ~stamped & ~self.flipped
        return {
            "backdoor": (int((flagged & stamped).sum()), int(stamped.sum())),
            "flips": (int((flagged & self.flipped).sum()), int(self.flipped.sum())),
            "false alarms": (int((flagged & honest).sum()), int(honest.sum())),
        }


def tell_story(settings: Settings, *, checkpoints: Path | None = None) -> Story:
    """Plant, train, audit, repair, train again."""
    rng = np.random.default_rng(settings.seed)
    data = read("mnist5k")
    order = rng.permutation(len(data))
    test, clean = data.take(np.sort(order[:HELD_OUT])), data.take(np.sort(order[HELD_OUT:]))
    clean = dataclasses.replace(clean, source=rng.choice(np.array(SUPPLIERS), len(clean)), name="mnist5k, poisoned")
    flips = LabelFlip(rate=0.05, original=7, target=1, supplier=FLIPPED_BY).poison(clean, rng)
    stamped = BadNets(rate=0.01, target=0, supplier=BACKDOORED_BY).poison(flips.data, rng)
    before = _measured(_trained(stamped.data, settings, "training on the poisoned set"), stamped, test)
    report = audit(stamped.data, dataclasses.replace(settings, checkpoints=checkpoints))
    mended = apply(stamped.data, report, Relabel()).data
    after = _measured(_trained(mended, settings, "training on the repaired set"), stamped, test)
    return Story(
        report=report,
        poisoned=stamped,
        flipped=flips.changed & ~stamped.changed,
        asr=(before[0], after[0]),
        accuracy=(before[1], after[1]),
        seven_as_one=(before[2], after[2]),
    )


def _trained(data: Dataset, settings: Settings, stage: str) -> NetworkModel:
    recipe = default_recipe(len(data))
    done = 0

    def progress(rows: int) -> None:
        nonlocal done
        done += rows
        if settings.progress is not None:
            settings.progress(stage, done / (len(data) * recipe.epochs))

    generator = torch.Generator().manual_seed(settings.seed)
    model, _ = train(data.images, data.labels, len(data.classes), recipe, generator, progress=progress)
    return model


def _measured(model: NetworkModel, attack: Poisoned, test: Dataset) -> tuple[Interval, Interval, Interval]:
    """Attack success rate, clean accuracy, and the share of sevens called one."""
    if attack.trigger is None or attack.target is None:
        raise ValueError("the demo's attack has a trigger")
    predicted = model.predict(test.images).argmax(axis=1)
    others = test.rows_not_of(attack.target)
    turned = model.predict(attack.trigger(test.images[others])).argmax(axis=1) == attack.target
    sevens = test.rows_of(test.class_index("7"))
    as_one = predicted[sevens] == test.class_index("1")
    return (
        wilson(int(turned.sum()), len(others)),
        wilson(int((predicted == test.labels).sum()), len(test)),
        wilson(int(as_one.sum()), len(sevens)),
    )
