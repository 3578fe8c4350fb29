"""The sets that are measured, by name, and clean rows of the same kind to test trained models on."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data import Roles, read

FOLDER = "BEZOAR_DATA"
"""Environment variable that names the folder with the sets that no library carries."""
SOURCES = ("annotators", "archive", "crowd", "field-team", "web-crawl")
FASHION_ROWS = 20_000


def load(name: str) -> Dataset:
    """The rows that are audited.

    Raises
    ------
    InputError
        No such set, or the folder of sets is not there.
    """
    return _of(_AUDITED, name)


def held_out(name: str) -> Dataset | None:
    """Clean rows that were in no training, or None where the set has no such rows here."""
    return _of(_HELD_OUT, name) if name in _HELD_OUT else None


def with_sources(data: Dataset, rng: np.random.Generator) -> Dataset:
    """The set with one of five named sources at random for each row."""
    return dataclasses.replace(data, source=rng.choice(np.array(SOURCES), len(data)))


def _of(table: Mapping[str, Callable[[], Dataset]], name: str) -> Dataset:
    if name not in table:
        raise InputError(f"no set {name!r} to measure. There are: {', '.join(table)}.")
    return dataclasses.replace(table[name](), name=name)


def _file(path: str, *, roles: Roles, rows: int | None = None) -> Dataset:
    folder = os.environ.get(FOLDER)
    if not folder:
        raise InputError(f"{path}: name the folder of real sets in {FOLDER}.")
    data = read(Path(folder) / path, roles=roles)
    return data if rows is None else data.take(np.arange(rows))


def _both(first: str, second: str) -> Dataset:
    """The rows of two files, one after the other."""
    one, other = (_file(path, roles=Roles()) for path in (first, second))
    n = len(one) + len(other)
    return dataclasses.replace(
        one,
        inputs=np.concatenate([one.images, other.images]),
        labels=np.concatenate([one.labels, other.labels]),
        ids=np.arange(n).astype(np.str_),
        hashed=None,
    )


_FASHION, _MNIST, _CHESTS = "image/fashion_mnist", "image/mnist", "image/pneumoniamnist.npz"
_TRAIN, _TEST = Roles(split="train"), Roles(split="test")
_AUDITED: dict[str, Callable[[], Dataset]] = {
    "mnist5k": partial(read, "mnist5k"),
    "digits": partial(read, "digits"),
    "breast_cancer": partial(read, "breast_cancer"),
    "fashion20k": partial(_file, _FASHION, roles=_TRAIN, rows=FASHION_ROWS),
    "fashion60k": partial(_file, _FASHION, roles=_TRAIN),
    "cifar25k": partial(_file, "image/cifar10_train_0.parquet", roles=Roles()),
    "cifar50k": lambda: _both("image/cifar10_train_0.parquet", "image/cifar10_train_1.parquet"),
    "pneumoniamnist": partial(_file, _CHESTS, roles=_TRAIN),
    "adult": partial(_file, "tabular/adult.csv.gz", roles=Roles(split="train", label="income")),
}
# mnist5k is a part of MNIST's training rows, so MNIST's test rows are new to it.
_HELD_OUT = {
    "mnist5k": partial(_file, _MNIST, roles=_TEST),
    "fashion20k": partial(_file, _FASHION, roles=_TEST),
    "cifar25k": partial(_file, "image/cifar10_test.parquet", roles=Roles(), rows=3_000),
}
