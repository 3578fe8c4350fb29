"""What attacks must keep."""

import dataclasses
from typing import Any

import numpy as np

from bezoar.checks.made_up import example_data
from bezoar.checks.promises import fingerprint, has, promise
from bezoar.core.attack import Poisoned
from bezoar.core.data import Dataset, Modality
from bezoar.core.errors import InputError
from bezoar.core.threat import Threat

BUDGET = 7
"""Rows that attacks are asked to change."""


def declares_a_threat(method: type[Any]) -> None:
    """It says what attacker it stands for."""
    promise(method, isinstance(getattr(method, "threat", None), Threat), "has a `threat`")


def plants_the_same_poison_from_the_same_seed(method: type[Any]) -> None:
    """Equal seeds, equal sets; other seeds, other rows."""
    data = _data_for(method)
    first, again, other = (_poison(method, data, seed=seed) for seed in (1, 1, 2))
    promise(method, fingerprint(first.data) == fingerprint(again.data), "repeats itself from the same seed")
    promise(method, bool((first.changed == again.changed).all()), "marks the same rows from the same seed")
    promise(method, bool((first.changed != other.changed).any()), "draws other rows from another seed")


def tells_the_truth_about_what_it_changed(method: type[Any]) -> None:
    """Marked rows differ from before, all others do not, and nothing else of the set moves. Cover rows keep their labels."""
    data = _data_for(method)
    poisoned = _poison(method, data)
    n = len(data)
    shape, kind = poisoned.changed.shape, poisoned.changed.dtype
    promise(method, shape == (n,) and kind == np.bool_, f"marks changed rows as ({n},) bool, not {shape} {kind}")
    cover = np.zeros(n, dtype=bool) if poisoned.cover is None else poisoned.cover
    touched = poisoned.changed | cover
    same = np.array([a == b for a, b in zip(data.row_hashes, poisoned.data.row_hashes, strict=True)])
    promise(method, not same[touched].any(), "changes every row that it marks")
    promise(method, bool(same[~touched].all()), "leaves every other row alone")
    honest = bool((poisoned.data.labels[cover] == data.labels[cover]).all())
    promise(method, honest and not (poisoned.changed & cover).any(), "leaves the labels of cover rows alone")
    kept = poisoned.data.classes == data.classes and (poisoned.data.ids == data.ids).all()
    promise(method, bool(kept), "keeps classes and ids")


def keeps_to_its_budget(method: type[Any]) -> None:
    """`count` rows are changed, and none for a count of zero."""
    if not has(method, "count"):
        return
    data = _data_for(method)
    changed = int(_poison(method, data, count=BUDGET).changed.sum())
    promise(method, changed == BUDGET, f"changes {BUDGET} rows when asked to, not {changed}")
    nothing = _poison(method, data, count=0)
    idle = not nothing.changed.any() and fingerprint(nothing.data) == fingerprint(data)
    promise(method, idle, "changes nothing for a count of 0")


def leaves_the_set_it_was_given_alone(method: type[Any]) -> None:
    """The set passed in is the same afterwards."""
    data = _data_for(method)
    before = fingerprint(data)
    _poison(method, data)
    promise(method, fingerprint(data) == before, "leaves the set it was given alone")


def relabels_to_its_target_or_keeps_to_its_class(method: type[Any]) -> None:
    """Poisoned rows carry the target's label. Before, either none did or, where labels are left right, all did."""
    data = _data_for(method)
    poisoned = _poison(method, data)
    if poisoned.target is None:
        return
    before, after = data.labels[poisoned.changed], poisoned.data.labels[poisoned.changed]
    promise(method, bool((after == poisoned.target).all()), "gives poisoned rows the target's label")
    own = before == poisoned.target
    promise(method, bool(own.all() or not own.any()), "strikes rows of the target alone or spares them")


def strikes_only_the_named_supplier(method: type[Any]) -> None:
    """With a `supplier`, rows of other sources are left alone."""
    if not has(method, "supplier"):
        return
    data = _data_for(method)
    made = dataclasses.replace(_with_budget(method), supplier="acme")
    poisoned = made.poison(data, np.random.default_rng(0))
    touched = poisoned.changed if poisoned.cover is None else poisoned.changed | poisoned.cover
    only = data.source is not None and set(data.source[touched]) == {"acme"}
    promise(method, only, "changes rows of the named supplier only")


def _with_budget(method: type[Any], count: int = BUDGET) -> Any:
    return dataclasses.replace(method(), count=count) if has(method, "count") else method()


def _poison(method: type[Any], data: Dataset, *, seed: int = 0, count: int = BUDGET) -> Poisoned:
    poisoned: Poisoned = _with_budget(method, count).poison(data, np.random.default_rng(seed))
    return poisoned


def _data_for(method: type[Any]) -> Dataset:
    """Images, or a table for attacks that refuse images. Nothing is planted to find out: some attacks take long."""
    try:
        _poison(method, example_data(), count=0)
    except InputError:
        return example_data(Modality.TABLE)
    return example_data()
