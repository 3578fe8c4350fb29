"""``python -m benchmarks``: measure what is not measured yet, then write the table.

``python -m benchmarks foundation --cases badnets-mnist5k --seeds 0-2`` measures a part; ``python -m benchmarks report``
writes the table from the results there are.
"""

import argparse
import json
import sys

from benchmarks import running, table
from benchmarks.cases import SUITES


def main() -> int:
    """Returns 1 where a cell failed."""
    arguments = _parser().parse_args(sys.argv[1:] or ["foundation"])
    if arguments.command == "cell":
        measured = SUITES[arguments.suite][arguments.case].measure(arguments.seed, controls=arguments.controls)
        print(json.dumps(measured, ensure_ascii=False, allow_nan=False))
        return 0
    failed = 0
    if arguments.command in SUITES:
        cells = running.plan(arguments.cases, arguments.seeds, arguments.controls)
        failed = running.run(arguments.command, cells, again=arguments.again)
    for suite in SUITES:
        print(f"written: {table.write(suite)}")
    return int(failed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for suite, cases in SUITES.items():
        measure = commands.add_parser(suite, help="measure; cells that are done are left out")
        measure.add_argument("--cases", nargs="+", choices=list(cases), default=list(cases), metavar="CASE")
        measure.add_argument("--seeds", type=_seeds, default=list(range(5)), help="such as 0-4 or 1,3")
        measure.add_argument(
            "--controls",
            action=argparse.BooleanOptionalAction,
            help="measure the audits' power as well (default: for each untouched set at the first seed)",
        )
        measure.add_argument("--again", action="store_true", help="also cells that are done")
    commands.add_parser("report", help="write the table from the results there are")
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
