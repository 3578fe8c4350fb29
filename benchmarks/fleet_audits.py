"""The audit of every model of a fleet, from the file and a hundred clean inputs."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import fleet, programs
from benchmarks.fleet import CLEAN, Member
from benchmarks.running import commit
from bezoar.core.report import Certainty
from bezoar.engine.models.audit import INPUTS, ModelSettings, audit_model
from bezoar.maths.stats import auroc

TAKEN = 0.5
"""By how much more inputs its trigger must turn than in a clean model, for a model to count as backdoored. Vertical strips
make trousers of most clothes by nature."""
WORKS = 0.8
"""Share of held-out inputs that a recovered trigger must turn."""
_SPARE = 1.3
"""How many more clean inputs are given than are used: some the model gets wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetAudits:
    """Verdicts on 40 clean and 40 backdoored models of the reference network.

    Models are made where they are not there yet, and audits that are there for this commit are not run again, so a run that
    was cut short goes on.
    """

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """How well clean models are told from others, and what was recovered."""
        rows = [_audited(member, seed) | {"natural": natural(member)} for member in fleet.members(seed)]
        test = fleet.clean_inputs(round(_SPARE * INPUTS), seed)
        return {"run": programs.record(test), "models": rows, "figures": figures(rows)}


def figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """What the rows of all models say together. Models in which the backdoor did not take are left out and counted."""
    clean = [row for row in rows if row["attack"] == CLEAN]
    taken = [row for row in rows if row["attack"] != CLEAN and row["asr"] - row["natural"] >= TAKEN]
    called = [row for row in taken if row["called"]]
    found = {
        "models": len(rows),
        "not_taken": len(rows) - len(clean) - len(taken),
        "auroc": auroc(
            np.array([row["deviations"] for row in clean + taken]), np.arange(len(clean) + len(taken)) >= len(clean)
        ),
        "clean_called": sum(row["called"] for row in clean),
        "seconds": float(np.median([row["seconds"] for row in rows])),
    }
    if called:
        found["right_target"] = float(np.mean([row["first"] == row["target"] for row in called]))
        found["recovered"] = float(np.mean([row["success"] >= WORKS for row in called]))
    for attack in sorted({row["attack"] for row in taken}):
        found[f"{attack}_detected"] = float(np.mean([row["called"] for row in taken if row["attack"] == attack]))
    return found


def natural(member: Member) -> float | None:
    """Share of the stamped rows that a clean model takes for the target; None of a clean model."""
    if member.attack == CLEAN:
        return None
    return float((member.reference.model.predict(member.stamped[1]).argmax(axis=1) == member.known.target).mean())


def _audited(member: Member, seed: int) -> dict[str, Any]:
    """What the audit says of a model, and what is true."""
    made = member.known
    kept = fleet.FOLDER / f"audits-{commit()}-{seed}" / f"{member.attack}-{member.number}.json"
    if kept.exists():
        row: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return row
    data = fleet.clean_inputs(round(_SPARE * INPUTS), 1_000 * seed + member.number)
    report = audit_model(member.path, data, ModelSettings(seed=seed, controls=False))
    table = report.rows.to_pydict()
    found = [each for each in report.findings if each.code == "BZ201"]
    turned = [
        each.value for finding in found[:1] for each in finding.evidence if "recovered trigger turns" in each.name
    ]
    scores = {name: [round(x, 3) for x in table[name]] for name in table if name not in _COLUMNS}
    row = {
        "commit": commit(),
        "attack": made.attack,
        "number": member.number,
        "settings": made.settings,
        "rows": made.recipe["rows"],
        "accuracy": round(made.accuracy, 4),
        "asr": made.asr,
        "target": made.target,
        "called": bool(found),
        "confirmed": any(each.certainty is Certainty.CONFIRMED for each in found),
        "first": _index(found[0].subject, table["id"]) if found else None,
        "deviations": max(table["deviations"]),
        "success": max(turned, default=0.0),
        "seconds": round(report.run.seconds, 1),
        "scores": scores,
    }
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(row), encoding="utf-8")
    return row


_COLUMNS = ("id", "index", "deviations", "p_value", "flagged", "code")


def _index(subject: str, classes: list[str]) -> int:
    return classes.index(subject.removeprefix("class "))
