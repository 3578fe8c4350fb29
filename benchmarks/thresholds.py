"""Reads what is to be reached, and puts it on the figures."""

import dataclasses
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from benchmarks.figures import FIGURES, Figure
from bezoar.core.errors import InputError

FILE = Path(__file__).parent / "thresholds.toml"

Suites = Mapping[str, Mapping[str, tuple[Figure, ...]]]


def goals(text: str, suites: Suites) -> dict[str, dict[str, tuple[Figure, ...]]]:
    """The figures of every case of every suite with the goals that TOML text gives them.

    Raises
    ------
    InputError
        A rule for a suite, case or figure that there is not: it would never be lost. A goal of another form.
    """
    rules = tomllib.loads(text)
    if strange := set(rules) - set(suites):
        raise InputError(f"{FILE.name}: no suite {min(strange)!r}. There are: {', '.join(suites)}.")
    found = {suite: {case: figures for case, figures in cases.items()} for suite, cases in suites.items()}
    for suite, several in rules.items():
        for rule in several:
            wanted = {name: bound for name, bound in rule.items() if name != "cases"}
            for pattern in rule["cases"]:
                matching = [case for case in found[suite] if fnmatchcase(case, pattern)]
                if not matching:
                    raise InputError(f"{FILE.name}: no case {pattern!r} in {suite}.")
                for case in matching:
                    found[suite][case] = _with(found[suite][case], wanted, f"{suite}, {pattern}")
    return found


def _with(figures: tuple[Figure, ...], rule: Mapping[str, Any], where: str) -> tuple[Figure, ...]:
    if strange := set(rule) - {figure.name for figure in figures}:
        raise InputError(f"{FILE.name}: {where}: no figure {min(strange)!r}.")
    return tuple(_promised(figure, rule[figure.name], where) if figure.name in rule else figure for figure in figures)


def _promised(figure: Figure, bound: Mapping[str, Any], where: str) -> Figure:
    sides = ("always",) if figure.kind == "fact" else ("at_least", "at_most")
    if len(bound) != 1 or not set(bound) <= set(sides):
        raise InputError(f"{FILE.name}: {where}: `{figure.name}` must have {' or '.join(sides)}. Got {dict(bound)}.")
    ((side, value),) = bound.items()
    return dataclasses.replace(figure, goal=float(value), at_least=side != "at_most")


GOALS = goals(FILE.read_text(encoding="utf-8"), FIGURES)
"""Figures with their goals, by suite and case."""
