"""The table of a suite from its results: medians over seeds beside the goals. No figure is typed by hand."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.figures import TITLES, Figure
from benchmarks.results import Cell
from benchmarks.thresholds import GOALS
from bezoar.core.files import write_text

Results = Mapping[Cell, dict[str, Any]]
MISSED = "**missed**"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table.

    Parameters
    ----------
    values : by seed; those of cells that failed are not among them.
    """

    case: str
    figure: Figure
    values: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """Whether the goal is reached, by the median; by every seed where it is a yes or no."""
        if not self.values:
            return "not measured"
        if self.figure.goal is None:
            return ""
        return "reached" if self.figure.reached(self.values) else MISSED

    @property
    def cells(self) -> tuple[str, ...]:
        """Of the table, in the order of its columns."""
        measured, spread = self.figure.shown(self.values) if self.values else ("", "")
        return self.case, self.figure.title, self.figure.wanted, measured, spread, str(len(self.values)), self.verdict


def write(suite: str) -> Path:
    """Write the page of a suite beside its results."""
    return write_text(results.file_of(suite).with_suffix(".md"), page(suite))


def page(suite: str) -> str:
    """The page of a suite."""
    return f"# {TITLES[suite]}\n\n{render(suite, results.latest(results.file_of(suite)))}\n"


def render(suite: str, found: Results) -> str:
    """The tables in Markdown: goals, what failed, power, and how it was run."""
    if not found:
        return "Nothing is measured yet."
    lines = lines_of(suite, joined(found))
    goals = [line for line in lines if line.figure.goal is not None]
    rest = [line for line in lines if line.figure.goal is None and line.values]
    verdicts = Counter(line.verdict for line in goals)
    parts = [
        f"{verdicts['reached']} goals reached, {verdicts[MISSED]} missed, {verdicts['not measured']} not measured.",
        _table(("case", "measured", "goal", "median", "from - to", "seeds", ""), [line.cells for line in goals]),
        *_failed(found),
    ]
    if rest:
        columns = ("case", "measured", "median", "from - to", "seeds")
        parts += [
            "### Also measured\n\nNothing was promised here.",
            _table(columns, [(*line.cells[:2], *line.cells[3:6]) for line in rest]),
        ]
    return "\n\n".join([*parts, *_power(found), *_runs(found)])


def lost(suite: str) -> list[str]:
    """The goals of a suite that its results miss, a line each."""
    found = joined(results.latest(results.file_of(suite)))
    return [
        f"{suite}: {line.case}: {line.figure.title}: {line.cells[3]}, wanted {line.figure.wanted}"
        for line in lines_of(suite, found)
        if line.verdict == MISSED
    ]


def lines_of(suite: str, found: Results) -> list[Line]:
    """Every figure of every case, without controls: those change no other figure but the seconds."""
    return [
        Line(
            case=case,
            figure=figure,
            values=tuple(
                float(result["figures"][figure.name])
                for (name, _, controls), result in sorted(found.items())
                if name == case
                and not controls
                and result["status"] == "done"
                # A share of nothing, such as the precision of no alarm, has no value.
                and result["figures"].get(figure.name) is not None
            ),
        )
        for case, figures in GOALS[suite].items()
        for figure in figures
    ]


def joined(found: Results) -> dict[Cell, dict[str, Any]]:
    """The results with figures that two of them, or two figures of one, give together."""
    both = {}
    for (case, seed, controls), result in found.items():
        if result["status"] == "done":
            figures = dict(result["figures"])
            clean = found.get((f"untouched-{case.rpartition('-')[2]}", seed, False), {}).get("figures", {})
            for repair in ("relabel", "filter"):
                if f"{repair}_accuracy" in figures and "accuracy" in clean:
                    figures[f"{repair}_change"] = figures[f"{repair}_accuracy"] - clean["accuracy"]
            if "cleanlab_ap" in figures:
                figures["ap_lead"] = figures["ap"] - figures["cleanlab_ap"]
            result = result | {"figures": figures}
        both[case, seed, controls] = result
    return both


def _failed(found: Results) -> Iterator[str]:
    failed = [result for result in found.values() if result["status"] != "done"]
    if failed:
        yield "Cells that failed, which no figure here counts:"
        yield "\n".join(f"- {_named(result)}: {_plain(result['reason'])}" for result in failed)


def _named(result: Mapping[str, Any]) -> str:
    return f"{result['case']}, seed {result['seed']}{', with controls' if result['controls'] else ''}"


def _power(found: Results) -> Iterator[str]:
    audits = [result for result in found.values() if result["status"] == "done" and result.get("power") is not None]
    rows = [
        (
            result["case"],
            row["kind"],
            f"{100 * row['rate']:.1f} %",
            f"{row['caught']} of {row['spiked']}",
            f"{100 * row['power']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f})",
            {True: "yes", False: "no", None: ""}[row["confirmed"]],
        )
        for result in audits
        for row in result["power"]
    ]
    if rows:
        yield "### Power"
        yield "What the audits' own controls caught of poison that they planted, with 95 % intervals:"
        yield _table(("audit", "planted", "of all rows", "caught", "power", "confirmed"), rows)


def _runs(found: Results) -> Iterator[str]:
    done = [result for result in found.values() if result["status"] == "done"]
    if not done:
        return
    yield "### How it was run"
    yield f"The whole record of each cell is in `benchmarks/results/{done[0]['suite']}.jsonl`."
    runs = [result["run"] for result in done if "run" in result]
    peered = [result for result in done if "peers" in result]
    versions = sorted({peer for result in peered for peer in result["peers"]})
    facts = {
        "commits of Bezoar": {result["commit"] for result in done},
        "hardware": {f"{r['hardware']['processor']}, {r['hardware']['cores']} cores" for r in runs},
        "device": {run["hardware"].get("gpu", run["hardware"]["device"]) for run in runs},
        "versions": {", ".join(f"{name} {version}" for name, version in run["versions"].items()) for run in runs},
        **{peer: {result["peers"][peer] for result in peered if peer in result["peers"]} for peer in versions},
        "first and last day": {min(r["started"] for r in done)[:10], max(r["started"] for r in done)[:10]},
        "load of the machine at the start of a cell": {
            f"median {statistics.median(r['load'][0] for r in done):.1f}, most {max(r['load'][0] for r in done):.1f}"
        },
    }
    yield "\n".join(
        f"- {name}: {_plain('; '.join(sorted(filter(None, values))))}" for name, values in facts.items() if any(values)
    )


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text from a run on one line, with nothing in it that Markdown reads as markup."""
    return " ".join(text.replace("<", "&lt;").replace("|", "\\|").split())
