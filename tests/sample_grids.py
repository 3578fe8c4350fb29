"""Results of grids made by hand: a whole one, one with gaps, a hostile one, a huge one."""

import dataclasses

import numpy as np

from bezoar.engine.grids.results import Cell, Measured, Result, Results, Run, key
from sample_reports import HOSTILE

CODE = "c0de" * 16
DETECTORS = {"mahalanobis": 0.95, "spectral_signatures": 0.9, "loss_dynamics": 0.8, "isolation_forest": 0.6}
"""Names and the AUROC that each tends to."""


def share(value: float, n: int) -> Measured:
    value = min(max(value, 0.0), 1.0)
    half = 1.96 * np.sqrt(max(value * (1 - value), 0.25 / n) / n)
    return Measured(value=value, low=max(value - half, 0.0), high=min(value + half, 1.0), n=n)


def run(**changes) -> Run:
    made = Run(
        id="run-1",
        command="bezoar bench grid.yaml --out bench",
        arguments={"attacks": ["badnets", "blended"], "seeds": 3},
        started="2026-01-15T09:30:00+00:00",
        seconds=5025.0,
        ended="done",
        code=CODE,
        executor="local",
        workers=2,
        cells=126,
        seeds=(0, 1, 2),
        versions={"bezoar": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
        hardware={"processor": "x86_64", "cores": "2"},
    )
    return dataclasses.replace(made, **changes)


def cells(
    attacks=("none", "badnets", "blended"),
    data=("mnist5k", "digits"),
    rates=(0.002, 0.01, 0.05),
    seeds=(0, 1, 2),
    detectors=("training", "audit", *DETECTORS),
) -> list[Cell]:
    return [
        Cell(attack=attack, data=name, data_digest=f"{name}-root", rate=rate, seed=seed, detector=detector)
        for attack in attacks
        for name in data
        for rate in ((None,) if attack == "none" else rates)
        for seed in seeds
        for detector in detectors
    ]


def measured(cell: Cell, rng: np.random.Generator, shift: float = 0.0) -> Result:
    """A plausible result: detection and effect grow with the rate, seeds differ a little."""
    strength = 0.0 if cell.rate is None else np.clip(1 + np.log10(cell.rate / 0.05) / 3, 0, 1)
    rows = 5000 if cell.data == "mnist5k" else 1797
    changed = 0 if cell.rate is None else round(cell.rate * rows)
    refused = Measured(value=None, reason="No row was changed, so there is nothing to rank.")
    if cell.detector == "training":
        figures = {"accuracy": share(0.95 - 0.02 * strength + rng.normal(0, 0.004), 1000)}
        if changed:
            figures |= {"asr": share(strength**2 + rng.normal(0, 0.03), 900)}
    elif cell.detector == "audit":
        figures = {"fpr": share(0.004 + rng.normal(0, 0.001), rows)}
        if changed:
            figures |= {"tpr": share(strength + rng.normal(0, 0.02), changed), "precision": share(0.9, changed)}
    else:
        height = DETECTORS.get(cell.detector, 0.7) * (0.6 + 0.4 * strength) + shift + rng.normal(0, 0.01)
        figures = {"auroc": share(height, rows), "ap": share(height**3, rows)}
        figures["tpr_at_fpr1"] = share(height**2, max(changed, 1))
        figures = figures if changed else dict.fromkeys(figures, refused)
    return Result(
        cell=cell,
        key=key(cell, CODE),
        status="done",
        figures=figures,
        seconds=float(rng.lognormal(1 if cell.detector == "training" else -1, 0.1)),
        changed=changed,
        rows=rows,
        run="run-1",
    )


def failed(result: Result, reason: str, status: str = "failed") -> Result:
    return dataclasses.replace(result, status=status, reason=reason, figures={})


def results_of(found: list[Result], planned: list[Cell] | None = None, name: str = "bench", **changes) -> Results:
    planned = [result.cell for result in found] if planned is None else planned
    return Results(
        name=name,
        planned={key(cell, CODE): cell for cell in planned},
        results={result.key: result for result in found},
        runs=(run(**changes),),
    )


def whole(seed: int = 0, *, shift: float = 0.0, name: str = "bench", asked: list[Cell] | None = None) -> Results:
    """Every cell is done. `shift` is added to the AUROC that detectors tend to."""
    rng = np.random.default_rng(seed)
    return results_of([measured(cell, rng, shift) for cell in (cells() if asked is None else asked)], name=name)


def with_gaps() -> Results:
    """A detector that fails now and then, one that never applies to a set, and a row that was never reached."""
    found = []
    full = whole()
    for result in full.results.values():
        cell = result.cell
        if cell.data == "digits" and cell.rate == 0.05 and cell.seed == 2:
            continue
        if cell.detector == "loss_dynamics" and cell.seed == 1:
            result = failed(result, "FloatingPointError: no epoch ended")
        if cell.detector == "spectral_signatures" and cell.data == "digits":
            result = failed(result, "Needs features, which a table has none of.", "not_applicable")
        found.append(result)
    return results_of(found, list(full.planned.values()), ended="", seconds=None)


def hostile() -> Results:
    """Every text is one that an attacker might choose."""
    asked = cells(
        attacks=HOSTILE[:4], data=HOSTILE[4:7], rates=(0.01, 0.05), seeds=(0,), detectors=("training", *HOSTILE[7:])
    )
    found = [measured(cell, np.random.default_rng(1)) for cell in asked]
    found = [failed(r, HOSTILE[at % 9]) if at % 3 == 0 else r for at, r in enumerate(found)]
    texts = {text: text for text in HOSTILE}
    return results_of(found, asked, HOSTILE[0], command=HOSTILE[1], arguments=texts, versions=texts, hardware=texts)


def huge() -> Results:
    """40 detectors, 20 attacks, 2 sets, 6 rates: 9,600 cells."""
    rng = np.random.default_rng(2)
    asked = cells(
        attacks=tuple(f"attack_{i:02d}" for i in range(20)),
        data=tuple(f"{'<&>' * 12} set {i:02d}" for i in range(2)),
        rates=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
        seeds=(0,),
        detectors=("training", *(f"{'<&>' * 12} detector {i:02d}" for i in range(39))),
    )
    return results_of([measured(cell, rng) for cell in asked], asked)


GRIDS = {"whole": whole, "gaps": with_gaps, "hostile": hostile}
