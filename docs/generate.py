"""Write the pages on methods, finding codes, commands and benchmarks from the tables, or check that they are current.

``python docs/generate.py`` writes, ``python docs/generate.py --check`` fails where a page differs.
"""

import argparse
import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import typer

from bezoar.cli.main import app
from bezoar.core.codes import CODES, Code
from bezoar.core.registry import GROUPS, Group, lookup, names

DOCS = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py. Change the source, then run it again. -->\n\n"
TITLES = {
    "attacks": "Attacks",
    "detectors": "Detectors",
    "mitigations": "Mitigations",
}
SURFACES = {
    "attacks": "`bezoar attack NAME DATA --out DIR --set key=value` plants these.",
    "detectors": (
        "Each gives every row of a set, every class of a model or every input at run time a score, higher always more "
        "suspicious. An audit runs those that fit what is audited; inputs are watched by a [monitor](../models.md)."
    ),
    "mitigations": (
        "`bezoar repair NAME SUBJECT --out DIR` applies these to a set, or with `--data CLEAN` to a model. What was audited is "
        "never written to."
    ),
}
EXITS = (
    "Exit status: 0 clean, 1 findings at or above `--fail-on`, 2 wrong usage or unreadable input, 3 some check failed or "
    "nothing could be read, 130 stopped by a person. A check that could not run never counts as a pass."
)


def pages() -> dict[str, str]:
    """Every generated page by its path below docs/."""
    written = {f"methods/{group}.md": _methods(group) for group in GROUPS}
    written["codes.md"] = _codes()
    written["commands.md"] = _commands()
    written["benchmarks.md"] = _benchmarks()
    return {path: NOTE + text.rstrip() + "\n" for path, text in written.items()}


def stale() -> list[str]:
    """Pages that differ from what would be written now."""
    return [path for path, text in pages().items() if not _is(DOCS / path, text)]


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _methods(group: Group) -> str:
    parts = [f"# {TITLES[group]}", SURFACES[group]]
    for name in sorted(names(group)):
        parts += [f"## {name}", *_method(lookup(group, name))]
    return "\n\n".join(parts)


def _method(method: type) -> Iterator[str]:
    sections = _sections(inspect.getdoc(method) or "")
    yield sections.pop("")
    hints = typing.get_type_hints(method)
    defaults = {field.name: field.default for field in dataclasses.fields(method)}
    if parameters := _entries(sections.pop("Parameters", "")):
        rows = [
            f"| `{name}` | {_kind(hints[name])} | {_default(defaults[name])} | {text} |"
            for names_, text in parameters
            for name in names_.split(", ")
        ]
        yield "\n".join(["| parameter | type | default | |", "|---|---|---|---|", *rows])
    for title, text in sections.items():
        yield f"**{title}.** {text}"


def _sections(docstring: str) -> dict[str, str]:
    """A numpydoc docstring by section, the text before the first one under the empty name."""
    pieces = re.split(r"^(\w[\w ]*)\n-{3,}\n", docstring, flags=re.MULTILINE)
    titles = ["", *pieces[1::2]]
    return {title: text.strip().replace("``", "`") for title, text in zip(titles, pieces[::2], strict=True)}


def _entries(section: str) -> list[tuple[str, str]]:
    """``name : text`` entries with their continued lines."""
    found: list[tuple[str, str]] = []
    for line in section.splitlines():
        if not line.startswith(" ") and " : " in line:
            name, text = line.split(" : ", 1)
            found.append((name, text))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return [(name, text.replace("|", "\\|")) for name, text in found]


def _kind(hint: object) -> str:
    words = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    kinds = typing.get_args(hint) or (hint,)
    return " or ".join(words.get(kind, str(kind)) for kind in kinds if kind is not type(None))


def _default(value: object) -> str:
    return "" if value is None else f"`{value}`"


def _codes() -> str:
    parts = [
        "# Finding codes",
        "A code never changes its meaning and is never reused. `bezoar explain CODE` prints the same page.",
        "\n".join(
            [
                "| code | finding |",
                "|---|---|",
                *(f"| [{c.code}](#{c.code.lower()}) | {c.title} |" for c in CODES.values()),
            ]
        ),
    ]
    for code in CODES.values():
        parts += [f"## {code.code}", *_code(code)]
    return "\n\n".join(parts)


def _code(code: Code) -> Iterator[str]:
    yield f"**{code.title}**"
    yield code.shows
    for title, text in (
        ("Why it matters", code.matters),
        ("What to do", code.remedy),
        ("What it cannot tell", code.cannot_tell),
    ):
        yield f"**{title}.** {text}"
    yield "\n".join(f"- {framework}: {', '.join(ids)}" for framework, ids in code.framework().items() if ids)
    yield "References: " + "; ".join(code.references) + "."


def _commands() -> str:
    parts = [
        "# Commands",
        EXITS,
    ]
    command = typer.main.get_command(app)
    for path, text in _helps(
        command, click.Context(command, info_name="bezoar", terminal_width=100, max_content_width=100)
    ):
        parts += [f"## {path}", f"```text\n{text.rstrip()}\n```"]
    return "\n\n".join(parts)


def _benchmarks() -> str:
    """What is measured and how, then the tables of every suite."""
    sys.path.insert(0, str(DOCS.parent))  # benchmarks are no part of the package
    from benchmarks.figures import TITLES

    from benchmarks import results, table

    parts = [(DOCS.parent / "benchmarks" / "README.md").read_text(encoding="utf-8").rstrip()]
    for suite in TITLES:
        parts += [f"## {TITLES[suite]}", table.render(suite, results.latest(results.file_of(suite)))]
    return "\n\n".join(parts)


def _helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _helps(inner, click.Context(inner, info_name=name, parent=context))


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a page is out of date")
    if parser.parse_args().check:
        old = stale()
        if old:
            print(f"out of date: {', '.join(old)}. Run: python docs/generate.py", file=sys.stderr)
        return len(old) > 0
    for path, text in pages().items():
        (DOCS / path).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
