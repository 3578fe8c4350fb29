"""Runs cells one after another, each in a process of its own, so that no cell can disturb another."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.results import Cell

ROOT = Path(__file__).parent.parent
LONGEST = 3_600
"""Seconds after which a cell counts as failed."""


def plan(cases: list[str], seeds: list[int], controls: bool | None) -> list[Cell]:
    """The cells of a run, seed by seed.

    Parameters
    ----------
    controls : with, without, or, where None, without for all and with for the untouched sets at the first seed.
    """
    cells = [(case, seed, bool(controls)) for seed in seeds for case in cases]
    if controls is None:
        cells += [(case, seeds[0], True) for case in cases if case.startswith("untouched")]
    return cells


def run(suite: str, cells: list[Cell], *, again: bool) -> int:
    """Run the cells that are not done yet, or all of them where `again`. Returns how many failed."""
    path = results.file_of(suite)
    failed = 0
    for position, cell in enumerate(cells, 1):
        name = f"{cell[0]}, seed {cell[1]}{', with controls' if cell[2] else ''}"
        known = results.latest(path).get(cell)
        if known is not None and known["status"] == "done" and not again:
            print(f"[{position}/{len(cells)}] {name}: done before", flush=True)
            continue
        result = _measured(suite, cell)
        results.append(path, result)
        failed += result["status"] != "done"
        outcome = "done" if result["status"] == "done" else f"failed: {result['reason']}"
        print(f"[{position}/{len(cells)}] {name}: {outcome} in {result['seconds']:.0f} s", flush=True)
    return failed


def _measured(suite: str, cell: Cell) -> dict[str, Any]:
    case, seed, controls = cell
    head = {
        "suite": suite,
        "case": case,
        "seed": seed,
        "controls": controls,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }
    command = [sys.executable, "-m", "benchmarks", "cell", suite, case, str(seed)] + ["--controls"] * controls
    start = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return head | {"status": "failed", "reason": f"not done after {LONGEST} s", "seconds": LONGEST}
    seconds = round(time.perf_counter() - start, 1)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
        return head | {"status": "failed", "reason": last[:500], "seconds": seconds}
    measured: dict[str, Any] = json.loads(done.stdout)
    return head | {"status": "done", "seconds": seconds} | measured


def commit() -> str:
    """The commit that is measured, with a plus where the sources differ from it; outside a checkout what BEZOAR_COMMIT says."""
    if "BEZOAR_COMMIT" in os.environ:
        return os.environ["BEZOAR_COMMIT"]
    known, changed = (
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "src", "benchmarks/*.py"))
    )
    return known + "+" * bool(changed)
