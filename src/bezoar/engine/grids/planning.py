"""The cells of a grid of poisoned training sets, and those of which nothing can be asked."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from bezoar.core.attack import Foresighted
from bezoar.core.data import Dataset, Modality
from bezoar.core.detector import Unit
from bezoar.core.errors import BezoarError, InputError, ParameterError, UnknownNameError
from bezoar.core.registry import Group, detectors_of, lookup, names
from bezoar.data import Roles, read
from bezoar.engine import audit
from bezoar.engine.grids.code import code_of, package_code
from bezoar.engine.grids.grid import Choice, Grid, nearest
from bezoar.engine.grids.kinds import Plan, Planned
from bezoar.engine.grids.results import AUDIT, TRAINING, UNTOUCHED, Cell
from bezoar.learn.recipe import Recipe, default_recipe

MOST_CELLS = 200_000
_FEWEST = 10
"""Rows that five folds need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A method with all its hyperparameters; ``method`` is None for the names that are none of the registry."""

    name: str
    method: type[Any] | None = None
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    label: str = ""

    @property
    def has_own_rate(self) -> bool:
        """Whether the grid's rates don't concern it: it takes none, or has its own number of rows."""
        own = any(self.given.get(name) is not None for name in ("rate", "count"))
        return own or self.method is None or "rate" not in self.settings


def plan(grid: Grid) -> Plan:
    """Every combination, with those that cannot be measured marked by why, before anything runs.

    Raises
    ------
    UnknownNameError
        An attack, detector or data set that does not exist.
    ParameterError
        A hyperparameter that does not exist or does not fit; more cells than anybody waits for.
    InputError
        A data set that cannot be read.
    """
    attacks = [_chosen("attacks", asked, (UNTOUCHED,)) for asked in grid.attacks]
    detectors = _detectors(grid)
    count = len(grid.data) * len(attacks) * len(grid.rates) * len(grid.seeds) * len(detectors)
    if count > MOST_CELLS:
        raise ParameterError(f"a grid of up to {count:,} cells is over the limit of {MOST_CELLS:,}.")
    package = package_code()
    cells: dict[str, Planned] = {}
    inputs: dict[str, Dataset] = {}
    for asked in grid.data:
        data = read(asked.name, roles=_roles(asked))
        inputs[data.merkle_root] = data
        for attack in attacks:
            for rate in (None,) if attack.has_own_rate else grid.rates:
                for planned in _block(grid, attack, rate, detectors, data, package):
                    cells.setdefault(planned.key, planned)
    return Plan(cells=tuple(cells.values()), inputs=inputs)


def _block(
    grid: Grid, attack: _Chosen, rate: float | None, detectors: list[_Chosen], data: Dataset, package: str
) -> Iterator[Planned]:
    """All seeds and detectors of an attack on a set at a rate."""
    unfit = _unfit(data) or _unplantable(attack, rate, data)
    recipe = _recipe(grid.recipe, data)
    for seed, detector in itertools.product(grid.seeds, detectors):
        cell = Cell(
            attack=attack.name,
            attack_settings={name: value for name, value in attack.settings.items() if rate is None or name != "rate"},
            attack_label=attack.label,
            data=data.name,
            data_digest=data.merkle_root,
            rate=rate,
            seed=seed,
            detector=detector.name,
            detector_settings=detector.settings,
            detector_label=detector.label,
            recipe=recipe,
        )
        methods = [method for method in (attack.method, detector.method) if method is not None]
        reason = unfit or _unmeasurable(attack, detector, data)
        yield Planned(cell=cell, code=code_of(package, methods), reason=reason)


def _detectors(grid: Grid) -> list[_Chosen]:
    """The training itself, then the detectors asked for."""
    asked = grid.detectors
    if asked is None:
        asked = tuple(Choice(name=name) for name in (*detectors_of(Unit.ROW), AUDIT))
    chosen = [_chosen("detectors", method, (TRAINING, AUDIT)) for method in asked]
    return [_Chosen(name=TRAINING, label=TRAINING), *(each for each in chosen if each.name != TRAINING)]


def _chosen(group: Group, asked: Choice, beside: tuple[str, ...]) -> _Chosen:
    """A method by name, or one of the names `beside` those of the registry."""
    if asked.name in beside:
        if asked.settings:
            raise ParameterError(f"{asked.name} takes no hyperparameters. Got {', '.join(map(str, asked.settings))}.")
        return _Chosen(name=asked.name, label=asked.name)
    known = names(group)
    if asked.name not in known:
        hint = nearest(asked.name, known | dict.fromkeys(beside))
        raise UnknownNameError(f"no {group[:-1]} named {asked.name[:80]!r}. {hint}")
    method = lookup(group, asked.name)
    fields = {field.name: field for field in dataclasses.fields(method)}
    _require_known(asked.name, asked.settings, fields)
    try:
        settings = dataclasses.asdict(method(**asked.settings))
    except ParameterError as error:
        raise ParameterError(f"{asked.name}: {error}") from error
    differing = [
        f"{name}={value}" for name, value in settings.items() if name != "rate" and value != fields[name].default
    ]
    return _Chosen(
        name=asked.name,
        method=method,
        given=asked.settings,
        # As it will be read back, so that a cell is equal to itself.
        settings=json.loads(json.dumps(settings, default=str)),
        label=f"{asked.name}({', '.join(differing)})" if differing else asked.name,
    )


def _roles(asked: Choice) -> Roles:
    """Which column is what."""
    _require_known(asked.name, asked.settings, Roles.__dataclass_fields__)
    try:
        return TypeAdapter(Roles).validate_python(dict(asked.settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ParameterError(f"{asked.name}: `{'.'.join(map(str, first['loc']))}`: {first['msg'].lower()}.") from error


def _recipe(given: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
    """How networks are trained: what was given, the rest by the size of the set. Tables have a model of their own."""
    _require_known("recipe", given, Recipe.__dataclass_fields__)
    default = default_recipe(len(data), given.get("architecture", "conv"))
    recipe = dataclasses.asdict(dataclasses.replace(default, **given))
    return recipe if data.modality is Modality.IMAGE else {}


def _require_known(owner: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in given:
        if name not in known:
            raise ParameterError(f"{owner}: no parameter {str(name)[:80]!r}. {nearest(str(name), known)}")


def _unfit(data: Dataset) -> str:
    """Why no training is possible on a set; empty where one is."""
    if data.modality is Modality.TEXT:
        return "texts cannot be trained on yet"
    return f"{len(data)} rows are too few to train on" if len(data) < _FEWEST else ""


def _unplantable(attack: _Chosen, rate: float | None, data: Dataset) -> str:
    """Why an attack cannot be carried out on a set; empty where it can.

    Only the attack knows what it needs: it is asked where it can tell, else carried out once.
    """
    if attack.method is None:
        return ""
    if not hasattr(attack.method, "poison"):
        return "the attack does not poison training sets"
    rated = {} if rate is None else {"rate": rate}
    try:
        made = attack.method(**{**attack.given, **rated})
        if isinstance(made, Foresighted):
            made.require(data)
        else:
            made.poison(data, np.random.default_rng(0))
    except (ParameterError, InputError) as error:
        return str(error)
    except (BezoarError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return ""  # a fault of the attack: its cells fail, with the reason
    return ""


def _unmeasurable(attack: _Chosen, detector: _Chosen, data: Dataset) -> str:
    """Why a detector has nothing to say here; empty where it has."""
    if detector.name == AUDIT:
        return audit.unfit(data.labels, data.classes)
    if detector.method is None:
        return ""
    if not _scores_rows(detector.method):
        return "the detector does not score rows of a training set"
    return "nothing is planted, so there is nothing to rank" if attack.name == UNTOUCHED else ""


def _scores_rows(method: type[Any]) -> bool:
    return getattr(method, "unit", None) is Unit.ROW
