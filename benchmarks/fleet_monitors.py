"""A monitor on every backdoored model of a fleet, shown inputs that the true trigger turned and clean ones."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import programs
from benchmarks.fleet import CLEAN, STRIDE, Kind, Member, spread
from benchmarks.fleet_audits import TAKEN, natural, prepared
from bezoar.engine.monitor import monitor
from bezoar.learn.white_box import opened
from bezoar.maths.stats import auroc

ROWS = 1_000
"""Clean inputs that a monitor learns from."""
TESTED = 2_000
"""Other clean inputs, on which false alarms are counted."""
FPR = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMonitors:
    """The monitor as it is by default, at a false alarm rate of 1 %.

    Parameters
    ----------
    kind : of the fleet.
    chosen : attacks and places among the models of an attack, of those that are watched; all where None.
    """

    kind: Kind
    chosen: tuple[tuple[str, int], ...] | None = None

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """How well turned inputs are told from clean ones, by attack."""
        kind = self.kind
        members = [each for each in kind.members(seed) if each.attack != CLEAN]
        if self.chosen is not None:
            members = [each for each in members if (each.attack, each.number % STRIDE) in self.chosen]
        prepared(kind, members)
        rows = [row for row in spread(partial(_watched, seed), members, kind) if row is not None]
        found = {
            "models": len(rows),
            "passes": max(row["passes"] for row in rows),
            "auroc": float(np.mean([row["auroc"] for row in rows])),
            "tpr": float(np.mean([row["tpr"] for row in rows])),
            "fpr": float(np.mean([row["fpr"] for row in rows])),
        }
        for attack in sorted({row["attack"] for row in rows}):
            own = [row for row in rows if row["attack"] == attack]
            found |= {f"{attack}_{name}": float(np.mean([row[name] for row in own])) for name in ("auroc", "tpr")}
        for name in rows[0]["alone"]:
            found[f"{name}_alone"] = float(np.mean([row["alone"][name] for row in rows]))
        patch_and_blend = [row["tpr"] for row in rows if row["attack"] in ("badnets", "blended")]
        found["patch_and_blend_tpr"] = float(np.mean(patch_and_blend))
        return {"run": programs.record(kind.clean_inputs(ROWS, seed), kind.device), "rows": rows, "figures": found}


def _watched(seed: int, member: Member) -> dict[str, Any] | None:
    """None where the backdoor did not take."""
    if (member.known.asr or 0) - (natural(member) or 0) < TAKEN:
        return None
    box = opened(member.model)
    clean = member.kind.clean_inputs(ROWS + TESTED, 1_000 * seed + member.number)
    order = np.random.default_rng((seed, member.number)).permutation(len(clean))
    known, rest = clean.take(np.sort(order[:ROWS])), clean.take(np.sort(order[ROWS:]))
    watch = monitor(box, known.images, known.labels, rng=np.random.default_rng(seed), fpr=FPR)
    # Inputs that the trigger does not turn do no harm.
    stamped = member.stamped[1]
    turned = stamped[box.predict(stamped).argmax(axis=1) == member.known.target]
    marked, plain = watch.watch(turned), watch.watch(rest.images)
    truth = np.arange(len(rest) + len(turned)) >= len(rest)
    return {
        "attack": member.attack,
        "number": member.number,
        "asr": member.known.asr,
        "passes": watch.passes,
        "auroc": auroc(np.concatenate([plain.score, marked.score]), truth),
        "alone": {
            name: auroc(np.concatenate([plain.surprises[name], marked.surprises[name]]), truth)
            for name in plain.surprises
        },
        "tpr": float(marked.flagged.mean()),
        "fpr": float(plain.flagged.mean()),
    }
