"""Profiles of columns and classes: what shards say together is what the whole says."""

import numpy as np
import pyarrow as pa
import pytest

from bezoar.core.shards import in_threads
from bezoar.engine import profiles
from synthetic import dataset

N = 3_000


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    ages = rng.integers(18, 90, N).astype(float)
    ages[::10] = np.nan
    return pa.table({"age": pa.array(ages, from_pandas=True), "job": rng.choice(["cook", "nurse", "smith"], N)})


def test_a_column_is_told_as_numpy_tells_it(cells, monkeypatch):
    monkeypatch.setattr(profiles, "_ROWS", 700)
    rows, (age, job) = profiles.profile(dataset(cells, np.arange(N) % 2, 2), in_threads)
    known = cells["age"].drop_null().to_numpy()
    assert (age.kind, age.rows, age.missing) == ("numbers", N, N // 10)
    assert age.mean == pytest.approx(known.mean(), rel=1e-12)
    assert age.std == pytest.approx(known.std(), rel=1e-12)
    assert age.quantiles[0] == known.min()
    assert age.quantiles[-1] == known.max()
    assert age.quantiles[3] == pytest.approx(np.median(known), abs=1)
    assert age.distinct.low <= len(np.unique(known)) <= age.distinct.high
    assert (job.kind, job.mean, job.quantiles, job.distinct.value) == ("text", None, (), 3)
    different = len({tuple(row.values()) for row in cells.to_pylist()})
    assert rows.low <= different <= rows.high


def test_images_are_told_by_the_brightness_of_each_class():
    images = np.full((40, 1, 4, 4), 10, dtype=np.uint8)
    images[20:] = 200
    images[0] = 30
    _, (dark, bright) = profiles.profile(dataset(images, np.repeat([0, 1], 20), 2), in_threads)
    assert (dark.kind, dark.mean, bright.mean, bright.std) == ("brightness", 11.0, 200.0, 0.0)


def test_numbers_that_cannot_be_squared_have_quantiles_but_no_mean(monkeypatch):
    monkeypatch.setattr(profiles, "_ROWS", 50)
    huge = np.arange(200.0)
    huge[120] = 1e300
    _, (column,) = profiles.profile(dataset(pa.table({"x": huge}), np.arange(200) % 2, 2), in_threads)
    assert (column.mean, column.std) == (None, None)
    assert column.quantiles[-1] == 1e300
