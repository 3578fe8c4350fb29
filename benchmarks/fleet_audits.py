"""The audit of every model of a fleet, from the file and a hundred clean inputs."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import programs
from benchmarks.fleet import CLEAN, Kind, Member, spread
from benchmarks.running import commit
from bezoar.core.report import Certainty, Report
from bezoar.engine.models import nulls
from bezoar.engine.models.audit import CALLED_AT, HELD_OUT, INPUTS, ModelSettings, audit_model
from bezoar.engine.models.calibrating import Calibration, Seen
from bezoar.engine.models.nulls import Null, hold
from bezoar.maths.stats import auroc
from bezoar.report import document, writing

TAKEN = 0.5
"""By how much more inputs its trigger must turn than in a clean model, for a model to count as backdoored. Vertical strips
make trousers of most clothes by nature."""
WORKS = 0.8
"""Share of held-out inputs that a recovered trigger must turn."""
_SPARE = 1.3
"""How many more clean inputs are given than are used: some the model gets wrong. Of a model of photographs that is a fifth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetAudits:
    """Verdicts on all models of a fleet.

    Models are made where they are not there yet, and audits that are there for this commit are not run again, so a run that
    was cut short goes on. Where the null is made with the fleet, its models are the fleet's clean ones as well, each held
    against the others.
    """

    kind: Kind

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """How well clean models are told from others, and what was recovered."""
        kind, members = self.kind, self.kind.members(seed)
        null = prepared(kind, members)
        rows = spread(partial(_audited, seed), members, kind)
        rows += [] if null is None else _left_out(null)
        return {
            "run": programs.record(kind.clean_inputs(round(_SPARE * INPUTS), seed), kind.device),
            "models": rows,
            "figures": figures(rows),
        }


def prepared(kind: Kind, members: Sequence[Member]) -> Null | None:
    """Make what is not there yet of these models, the clean ones they refer to, and the null where it is made with them."""
    every = {each.path: each for own in members for each in (own, own.reference)}
    # Those with a backdoor first: poison takes a processor, and a GPU is busy with the others meanwhile.
    missing = sorted((each for each in every.values() if not each.made), key=lambda each: each.attack == CLEAN)
    jobs: list[Member | tuple[Kind, int]] = [*missing, *((kind, index) for index in range(kind.null))]
    spread(_made, jobs, kind)
    if not kind.null:
        return None
    null = _calibration(kind).null([_seen(kind, index) for index in range(kind.null)])
    nulls.write(_null_of(kind), null)
    return null


def _made(job: Member | tuple[Kind, int]) -> None:
    if isinstance(job, Member):
        assert job.known
    else:
        _seen(*job)


def _null_of(kind: Kind) -> Path:
    return kind.folder / "null.json"


def _calibration(kind: Kind) -> Calibration:
    return Calibration(
        data=kind.data.take(np.arange(kind.made_from)),
        clean=kind.held_out,
        architecture=kind.architecture,
        inputs=round((1 - HELD_OUT) * INPUTS),
    )


def _seen(kind: Kind, index: int) -> Seen:
    """What detectors said of one clean model of the null, which is made now if it was not before."""
    kept = kind.folder / f"null-{index}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        found = _calibration(kind).seen(np.random.default_rng(0).spawn(kind.null)[index], kind.device)
        kept.write_text(json.dumps(dataclasses.asdict(found)), encoding="utf-8")
    return Seen(**json.loads(kept.read_text(encoding="utf-8")))


def _left_out(null: Null) -> list[dict[str, Any]]:
    """The verdict on each model of a null, held against the others."""
    rows = []
    for index in range(null.models):
        own = {name: np.asarray(table[index]) for name, table in null.scores.items()}
        rest = {name: table[:index] + table[index + 1 :] for name, table in null.scores.items()}
        held = hold(own, dataclasses.replace(null, scores=rest), same=True)
        rows.append(
            {
                "attack": CLEAN,
                "number": f"null {index}",
                "accuracy": null.recipe["accuracy"][index],
                "called": bool((held.tail <= CALLED_AT).any()),
                "deviations": float(held.deviations.max()),
            }
        )
    return rows


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
        "seconds": float(np.median([row["seconds"] for row in rows if "seconds" in row])),
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


def audited(member: Member, seed: int) -> Report:
    """The report on a model at this commit, audited now if it was not before."""
    kind = member.kind
    folder = kind.folder / f"audits-{commit()}-{seed}" / f"{member.attack}-{member.number}"
    if not (folder / document.REPORT).exists():
        data = kind.clean_inputs(round(_SPARE * INPUTS), 1_000 * seed + member.number)
        null = nulls.read(_null_of(kind)) if kind.null else None
        settings = ModelSettings(seed=seed, controls=False, null=null, device=kind.device.type)
        writing.write(audit_model(member.path, data, settings), folder, ("json",))
    return document.load(folder)


def _audited(seed: int, member: Member) -> dict[str, Any]:
    """What the audit says of a model, and what is true."""
    made, report = member.known, audited(member, seed)
    table = report.rows.to_pydict()
    found = [each for each in report.findings if each.code == "BZ201"]
    turned = [
        each.value for finding in found[:1] for each in finding.evidence if "recovered trigger turns" in each.name
    ]
    return {
        "commit": commit(),
        "attack": made.attack,
        "number": member.number,
        "settings": made.settings,
        "rows": made.recipe["rows"],
        "accuracy": round(made.accuracy, 4),
        "asr": made.asr,
        "natural": natural(member),
        "target": made.target,
        "called": bool(found),
        "confirmed": any(each.certainty is Certainty.CONFIRMED for each in found),
        "first": _index(found[0].subject, table["id"]) if found else None,
        "deviations": max(table["deviations"]),
        "success": max(turned, default=0.0),
        "seconds": round(report.run.seconds, 1),
        "scores": {name: [round(x, 3) for x in table[name]] for name in table if name not in _COLUMNS},
    }


_COLUMNS = ("id", "index", "deviations", "p_value", "flagged", "code")


def _index(subject: str, classes: list[str]) -> int:
    return classes.index(subject.removeprefix("class "))
