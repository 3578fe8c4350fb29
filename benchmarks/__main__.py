"""``python -m benchmarks``: measure what is not measured yet, write the tables, and tell which goals are lost.

``python -m benchmarks foundation --cases badnets-mnist5k --seeds 0-2`` measures a part; ``python -m benchmarks report``
writes the tables from the results there are.
"""

import argparse
import json
import sys

from benchmarks import running, table
from benchmarks.cases import SEEDS, SUITES


def main() -> int:
    """Returns 1 where a cell failed or a goal is lost."""
    arguments = _parser().parse_args(sys.argv[1:] or ["all"])
    if arguments.command == "cell":
        measured = SUITES[arguments.suite][arguments.case].measure(arguments.seed, controls=arguments.controls)
        print(json.dumps(measured, ensure_ascii=False, allow_nan=False))
        return 0
    failed = 0
    lost = []
    for suite in arguments.suites:
        cells = running.plan(
            arguments.cases or list(SUITES[suite]), arguments.seeds or list(SEEDS[suite]), arguments.controls
        )
        failed += running.run(suite, cells, again=arguments.again)
        lost += table.lost(suite)
    for suite in SUITES:
        print(f"written: {table.write(suite)}")
    for line in lost:
        print(f"lost: {line}", file=sys.stderr)
    return int(failed > 0 or bool(lost))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    everything = commands.add_parser("all", help="measure every suite; cells that are done are left out")
    everything.set_defaults(suites=list(SUITES), cases=None, seeds=None, controls=None, again=False)
    for suite, cases in SUITES.items():
        measure = commands.add_parser(suite, help="measure a suite; cells that are done are left out")
        measure.set_defaults(suites=[suite])
        measure.add_argument("--cases", nargs="+", choices=list(cases), metavar="CASE")
        measure.add_argument("--seeds", type=_seeds, help="such as 0-4 or 1,3")
        measure.add_argument(
            "--controls",
            action=argparse.BooleanOptionalAction,
            help="measure the audits' power as well (default: for each untouched set at the first seed)",
        )
        measure.add_argument("--again", action="store_true", help="also cells that are done")
    report = commands.add_parser("report", help="write the tables from the results there are")
    report.set_defaults(suites=[])
    one = commands.add_parser("cell", help="measure one cell and print it as JSON")
    one.add_argument("suite", choices=list(SUITES))
    one.add_argument("case")
    one.add_argument("seed", type=int)
    one.add_argument("--controls", action="store_true")
    return parser


def _seeds(text: str) -> list[int]:
    """ "0-4" or "1,3" as numbers."""
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(seed) for seed in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
