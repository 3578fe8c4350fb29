"""Runs in an environment with a scanner of model files: reads a folder of cases, prints each one's exit status as JSON.

0 passed as clean, 1 flagged, 2 an error or "cannot say", which no gate passes either.
"""

import contextlib
import io
import json
import logging
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path


def picklescan(path: Path) -> int:
    """As `picklescan --path`."""
    from picklescan.scanner import (  # type: ignore[import-not-found]  # installed in its own environment
        scan_directory_path,
        scan_file_path,
    )

    found = (scan_directory_path if path.is_dir() else scan_file_path)(str(path))
    return 1 if found.issues_count else 2 if found.scan_err else 0


def modelscan(path: Path) -> int:
    """As `modelscan --path`. A file of a kind that it does not know is skipped: its own status is then 3."""
    from modelscan.modelscan import ModelScan  # type: ignore[import-not-found]  # as above

    scanner = ModelScan()
    scanner.scan(path)
    if scanner.issues.all_issues:
        return 1
    return 2 if scanner.errors or not scanner.scanned else 0


def modelaudit(path: Path) -> int:
    """As `modelaudit scan`."""
    from modelaudit.core import (  # type: ignore[import-not-found]  # as above
        determine_exit_code,
        scan_model_directory_or_file,
    )

    return int(determine_exit_code(scan_model_directory_or_file(str(path))))


def fickling(path: Path) -> int:
    """As `fickling.scan_file`, of each file of a folder."""
    import fickling as peer  # type: ignore[import-not-found]  # as above
    from fickling.analysis import Severity  # type: ignore[import-not-found]  # as above

    statuses = []
    for file in [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]:
        found = peer.scan_file(str(file), graceful=True)
        unsafe = any(result.severity > Severity.LIKELY_SAFE for result in found.results)
        statuses.append(1 if unsafe else 2 if found.errors or not found.results else 0)
    return 1 if 1 in statuses else max(statuses, default=2)


SCANNERS: dict[str, Callable[[Path], int]] = {
    "picklescan": picklescan,
    "modelscan": modelscan,
    "modelaudit": modelaudit,
    "fickling": fickling,
}


def main() -> None:
    """Print one JSON object: status by case, version."""
    logging.disable(logging.CRITICAL)
    folder, name = Path(sys.argv[1]), sys.argv[2]
    statuses = {}
    for case in sorted(folder.iterdir()):
        (path,) = case.iterdir()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                statuses[case.name] = SCANNERS[name](path)
            except Exception:  # noqa: BLE001 - whatever a peer raises is its answer: an error
                statuses[case.name] = 2
    print(json.dumps({"statuses": statuses, "version": version(name)}))


if __name__ == "__main__":
    main()
