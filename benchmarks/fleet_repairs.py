"""Repairs of backdoored models as a person makes them: an audit, then a repair with its report and a few clean inputs."""

import json
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import programs
from benchmarks.fleet import Kind, Member, spread
from benchmarks.fleet_audits import TAKEN, audited, natural, prepared
from benchmarks.running import commit
from bezoar.core.registry import lookup
from bezoar.engine.models.repairing import FILE, advised, repair_model
from bezoar.learn import saved
from bezoar.learn.white_box import WhiteBox, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRepairs:
    """Six attacks at two rates, each model audited with 100 inputs and repaired with what the audit recovered.

    Parameters
    ----------
    kind : of the fleet.
    repairs : by name; "advised" is the one that `bezoar repair` chooses by itself.
    """

    kind: Kind
    repairs: tuple[str, ...] = ("advised", "relearning", "fine_tuning", "fine_pruning", "nad", "anp", "i_bau", "clp")

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """What each repair leaves of the backdoors, and what it costs."""
        kind = self.kind
        members = kind.repaired_members(seed)
        prepared(kind, members)
        rows = [row for row in spread(partial(_kept, self.repairs, seed), members, kind) if row is not None]
        found: dict[str, float] = {
            "models": len(rows),
            "not_taken": len(members) - len(rows),
            "called": sum(row["called"] for row in rows),
            "asr_before": float(np.mean([row["before"]["asr"] for row in rows])),
            "natural": float(np.mean([row["natural"] for row in rows])),
        }
        for name in self.repairs:
            asr = np.array([row["after"][name]["asr"] for row in rows])
            cost = np.array([row["before"]["accuracy"] - row["after"][name]["accuracy"] for row in rows])
            found |= {f"{name}_asr": float(asr.mean()), f"{name}_worst": float(asr.max())}
            found |= {f"{name}_cost": float(cost.mean())}
        return {"run": programs.record(kind.spare_inputs(kind.few, seed), kind.device), "rows": rows, "figures": found}


def _kept(repairs: tuple[str, ...], seed: int, member: Member) -> dict[str, Any] | None:
    """What became of a model at this commit, computed now if it was not before; None where the backdoor did not take."""
    if (member.known.asr or 0) - (natural(member) or 0) < TAKEN:
        return None
    kept = member.kind.folder / f"repairs-{commit()}-{seed}" / f"{member.attack}-{member.number}.json"
    if not kept.exists():
        row = _repaired(member, repairs, seed)
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(row), encoding="utf-8")
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def _repaired(member: Member, repairs: tuple[str, ...], seed: int) -> dict[str, Any]:
    kind = member.kind
    report, clean = audited(member, seed), kind.spare_inputs(kind.few, 1_000 * seed + member.number)
    after = {}
    for name in repairs:
        chosen = advised(report) if name == "advised" else name
        # Only the one that is advised gets the report, and with it the triggers: the others need none.
        given = report if name == "advised" else None
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            method = lookup("mitigations", chosen)()
            told = repair_model(
                member.path, clean, method, name=chosen, out=out, report=given, seed=seed, device=kind.device.type
            )
            box = opened(saved.load(out / FILE, kind.device).model)
        after[name] = {"repair": chosen, **_figures(member, box), "triggers": told["triggers"]}
    return {
        "attack": member.attack,
        "number": member.number,
        "settings": member.settings,
        "target": member.known.target,
        "called": any(each.code == "BZ201" for each in report.findings),
        "natural": natural(member),
        "before": _figures(member, opened(member.model)),
        "after": after,
    }


def _figures(member: Member, box: WhiteBox) -> dict[str, float]:
    """By the true trigger, which no repair sees, and on all test rows."""
    test = member.kind.held_out
    return {
        "asr": float((box.predict(member.stamped[1]).argmax(axis=1) == member.known.target).mean()),
        "accuracy": float((box.predict(test.images).argmax(axis=1) == test.labels).mean()),
    }
