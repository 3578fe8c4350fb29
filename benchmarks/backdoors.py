"""What an audit says of a set with a planted backdoor, and what is left of the backdoor after repair."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import audits, sets, trainings
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.core.data import Dataset
from bezoar.core.mitigation import Mitigation
from bezoar.core.report import Certainty, Report
from bezoar.core.trigger import Stamp
from bezoar.engine.repair import apply
from bezoar.mitigations.data.filter import Filter
from bezoar.mitigations.data.relabel import Relabel

REPAIRS: dict[str, Mitigation] = {"relabel": Relabel(), "filter": Filter()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdoor:
    """Plant a backdoor in rows of one supplier, train, audit, repair, train again.

    Parameters
    ----------
    data : name of the set, one of images with test rows.
    attack : what is planted; target and supplier are chosen by the seed.
    """

    data: str
    attack: BadNets | Blended

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Rows found, what the report names, and attack success and accuracy before and after repair."""
        # A stream apart from the audit's own, which starts from the plain seed.
        rng = np.random.default_rng((seed, 1))
        clean = sets.with_sources(sets.load(self.data), rng)
        attack = dataclasses.replace(
            self.attack, target=(3 * seed + 1) % len(clean.classes), supplier=str(rng.choice(sets.SOURCES))
        )
        poisoned = attack.poison(clean, rng)
        report = audits.run(poisoned.data, seed, controls=controls)
        result = audits.kept(report) | {"attack": dataclasses.asdict(attack)}
        result["figures"] = (
            audits.rates(report, poisoned.changed)
            | audits.blame(report, str(attack.supplier))
            | _named(report, clean.classes[int(attack.target)])
            | {"seconds": report.run.seconds}
        )
        test = sets.held_out(self.data)
        if test is not None and isinstance(poisoned.trigger, Stamp):
            result["figures"] |= _consequences(poisoned.data, report, test, poisoned.trigger, int(attack.target), seed)
        return result


def _named(report: Report, target: str) -> dict[str, Any]:
    found = audits.backdoors(report)
    right = [finding for finding in found if finding.subject == f"class {target}"]
    form = re.search(r"one (\w+) trigger", right[0].summary) if right else None
    return {
        "confirmed": any(finding.certainty is Certainty.CONFIRMED for finding in right),
        "right_target": bool(right),
        "wrong_targets": len(found) - len(right),
        "trigger_shown": bool(right) and bool(right[0].pictures),
        "form": form[1] if form else "",
    }


def _consequences(
    poisoned: Dataset, report: Report, test: Dataset, trigger: Stamp, target: int, seed: int
) -> dict[str, float]:
    figures: dict[str, float] = {}
    measured: dict[str, tuple[float, float]] = {}
    for name, rows in {
        "poisoned": poisoned,
        **{name: apply(poisoned, report, repair).data for name, repair in REPAIRS.items()},
    }.items():
        if rows.merkle_root not in measured:  # repairs may agree
            model = trainings.trained(rows, seed)
            success = trainings.attack_success(model, test, trigger, target)
            measured[rows.merkle_root] = success, trainings.accuracy(model, test)
        figures[f"{name}_asr"], figures[f"{name}_accuracy"] = measured[rows.merkle_root]
    return figures
