"""What an audit says of a set that nobody poisoned."""

from dataclasses import dataclass
from typing import Any

from benchmarks import audits, sets, trainings


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """Audit the set as it is, and train on it where there are test rows, for comparison with repaired sets.

    Parameters
    ----------
    data : name of the set.
    """

    data: str

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Alarms, exit status, accuracy of a clean training."""
        rows = sets.load(self.data)
        report = audits.run(rows, seed, controls=controls)
        result = audits.kept(report)
        result["figures"] = {
            "backdoor_found": bool(audits.backdoors(report)),
            "flagged": float(audits.flagged(report).mean()),
            "findings": len(report.findings),
            "exit_status": result["exit_status"],
            "seconds": report.run.seconds,
        }
        test = sets.held_out(self.data)
        if test is not None:
            result["figures"]["accuracy"] = trainings.accuracy(trainings.trained(rows, seed), test)
        return result
