"""One audit at default settings, and the parts of its report that a result keeps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bezoar.cli.gate import Gate, exit_status
from bezoar.core.data import Dataset
from bezoar.core.errors import ContractError
from bezoar.core.registry import lookup
from bezoar.core.report import Finding, Report
from bezoar.engine.audit import audit
from bezoar.engine.settings import Settings
from bezoar.learn.cross_fit import cross_fit
from bezoar.learn.device import resolve
from bezoar.learn.fitted import CrossFit
from bezoar.learn.recipe import default_recipe
from bezoar.maths.stats import auroc, average_precision
from bezoar.report import document

BACKDOOR = "BZ101"


def run(data: Dataset, seed: int, *, controls: bool, checkpoints: Path | None = None) -> Report:
    """Audit as `bezoar audit data` does when it is told nothing but the seed and whether to run controls."""
    return audit(data, Settings(seed=seed, controls=controls, checkpoints=checkpoints))


def fitted(data: Dataset, report: Report, seed: int, checkpoints: Path) -> CrossFit:
    """The very models and predictions that an audit judged by, row for row.

    The audit's first stream decides its folds and weights; its checkpoints spare the training. That these are
    the same predictions is checked on a detector that reads nothing else.

    Raises
    ------
    ContractError
        They are not.
    """
    stream = np.random.default_rng(seed).spawn(5)[0]
    fit = cross_fit(
        data,
        stream,
        recipe=default_recipe(len(data)),
        device=resolve("auto"),
        checkpoints=checkpoints / "training",
    )
    again = lookup("detectors", "confident_learning")().score(fit.trace)
    if not np.allclose(again, report.rows["confident_learning"].to_numpy(), rtol=1e-4, atol=1e-4):
        raise ContractError("the predictions trained again are not those that the audit judged by.")
    return fit


def kept(report: Report) -> dict[str, Any]:
    """What the report says, without pictures and rows."""
    whole = json.loads(document.dump(report))
    findings = ("code", "severity", "certainty", "subject", "summary", "rows", "evidence")
    return {
        "dataset": whole["dataset"],
        "checks": whole["checks"],
        "findings": [{name: finding[name] for name in findings} for finding in whole["findings"]],
        "sources": whole["sources"],
        "power": whole["power"],
        "control_flagged": whole["control_flagged"],
        "run": whole["run"],
        "exit_status": exit_status(report, Gate.HIGH),
    }


def flagged(report: Report) -> NDArray[np.bool_]:
    """(n,) rows that the audit flags."""
    return np.asarray(report.rows["flagged"].to_numpy(zero_copy_only=False), dtype=bool)


def backdoors(report: Report) -> list[Finding]:
    """Backdoors that the audit reports, confirmed or not."""
    return [finding for finding in report.findings if finding.code == BACKDOOR]


def rates(report: Report, changed: NDArray[np.bool_]) -> dict[str, float | None]:
    """How well flags and ranking agree with the truth. Precision is None where nothing is flagged."""
    found = flagged(report)
    score = report.rows["score"].to_numpy()
    return {
        "tpr": float(found[changed].mean()),
        "fpr": float(found[~changed].mean()),
        "precision": float(changed[found].mean()) if found.any() else None,
        "auroc": auroc(score, changed),
        "ap": average_precision(score, changed),
    }


def blame(report: Report, supplier: str) -> dict[str, bool]:
    """Whether the supplier of the poison is named first, and whether it alone is blamed."""
    blamed = [row.source for row in report.sources if row.blamed]
    return {"source_first": blamed[:1] == [supplier], "source_alone": blamed == [supplier]}
