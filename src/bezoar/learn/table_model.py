"""The table model: gradient-boosted trees that take numbers, categories and missing values as they come."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.core.trace import Trace
from bezoar.learn.fitted import CrossFit

MOST_CATEGORIES = 250
"""Categories of a column beyond the most frequent ones count as one."""
SHOWN_CATEGORIES = 12
"""Categories of a column that get a feature of their own where distances are computed."""
ITERATIONS = 100
STAGES = 10
"""Losses are read after every ITERATIONS / STAGES trees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the cells of a table become numbers; fixed by the table it was made from.

    Parameters
    ----------
    categories : by column, its categories from the most frequent down, or None for numbers.
    """

    categories: dict[str, tuple[str, ...] | None]

    @classmethod
    def of(cls, table: pa.Table) -> "Encoding":
        """The encoding of a table: numbers, dates and truth values as numbers, text as categories.

        Raises
        ------
        InputError
            No columns, or one that holds anything else.
        """
        if not table.num_columns:
            raise InputError("the table has no columns to learn from.")
        return cls(categories={name: _categories(name, table.column(name)) for name in table.column_names})

    def codes(self, table: pa.Table) -> NDArray[np.float64]:
        """(n, columns): numbers, category codes, NaN where missing or not finite."""
        return np.column_stack([_coded(table.column(name), found) for name, found in self.categories.items()])

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """(columns,) which ones hold category codes."""
        return np.array([found is not None for found in self.categories.values()])

    def condition(self, column: str, way: str, threshold: float) -> str:
        """A split of the codes in the table's own words: "age > 60.5", "sex in Male, other"."""
        found = self.categories[column]
        if found is None:
            return f"{column} {way} {threshold:g}"
        low = range(max(0, int(np.floor(threshold)) + 1))
        inside = [found[code] for code in (low if way == "<=" else range(len(low), len(found))) if code < len(found)]
        shown = ", ".join(inside[:4]) + (f" and {len(inside) - 4} more" if len(inside) > 4 else "")
        return f"{column} in {shown or 'rare values'}"

    def where(self, columns: Sequence[str], conditions: Iterable[tuple[int, str, float]]) -> str:
        """Several such splits, of columns by index, that all hold."""
        return " and ".join(self.condition(columns[index], way, threshold) for index, way, threshold in conditions)

    def features(self, table: pa.Table) -> NDArray[np.float32]:
        """(n, d) for distances: numbers by rank in [-1, 1], categories one-hot, missing as 0 with a mark of its own."""
        columns = []
        for codes, found in zip(self.codes(table).T, self.categories.values(), strict=True):
            missing = np.isnan(codes)
            if found is None:
                columns.append(np.where(missing, 0, _ranks(codes)))
            else:
                columns += [(codes == code).astype(float) for code in range(min(len(found), SHOWN_CATEGORIES))]
            if missing.any():
                columns.append(missing.astype(float))
        return np.column_stack(columns).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableModel:
    """Gradient-boosted trees over a table (Ke et al. 2017, LightGBM; here scikit-learn's)."""

    trees: HistGradientBoostingClassifier
    encoding: Encoding
    k: int

    def predict(self, inputs: pa.Table) -> NDArray[np.float32]:
        """(n, k) log-probabilities of the rows of a table."""
        with _one_thread():
            return self._full(self.trees.predict_proba(self.encoding.codes(inputs)))

    def losses(self, inputs: pa.Table, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """(stages, n) cross-entropy in nats of each row as trees were added."""
        every = ITERATIONS // STAGES
        with _one_thread():
            staged = self.trees.staged_predict_proba(self.encoding.codes(inputs))
            picked = [self._full(p) for step, p in enumerate(staged, 1) if step % every == 0]
        return np.stack([-p[np.arange(len(labels)), labels] for p in picked])

    def _full(self, probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
        """Log-probabilities over all classes, also those that were absent from training."""
        full = np.full((len(probabilities), self.k), 1e-6)
        seen = self.trees.classes_
        # Trees that saw one class alone answer with two columns all the same.
        full[:, seen] = np.clip(probabilities, 1e-6, None) if len(seen) > 1 else 1.0
        return np.asarray(np.log(full / full.sum(axis=1, keepdims=True)), dtype=np.float32)


def train_table(data: Dataset, seed: int) -> TableModel:
    """Fit the table model to all rows."""
    encoding = Encoding.of(data.table)
    trees = HistGradientBoostingClassifier(
        max_iter=ITERATIONS,
        learning_rate=0.1,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        early_stopping=False,
        categorical_features=encoding.categorical,
        random_state=seed % 2**32,
    )
    codes = encoding.codes(data.table)
    codes[:, np.isnan(codes).all(axis=0)] = 0  # scikit-learn cannot bin a column without any value
    with _one_thread(), warnings.catch_warnings():
        # Many classes of few rows each are what they are: they don't make the labels a quantity.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        trees.fit(codes, data.labels)
    return TableModel(trees=trees, encoding=encoding, k=len(data.classes))


def cross_fit_table(data: Dataset, fold: NDArray[np.int64], seeds: list[int]) -> CrossFit:
    """Cross-fit the table model over the folds given. Features are the encoded cells, the same for all folds."""
    n, k = len(data), len(data.classes)
    features = Encoding.of(data.table).features(data.table)
    held_out = np.empty((n, k), dtype=np.float32)
    losses = np.zeros((STAGES, n), dtype=np.float32)
    models = []
    for index, seed in enumerate(seeds):
        seen = data.take(fold != index)
        model = train_table(seen, seed)
        held_out[fold == index] = model.predict(data.table.filter(fold == index))
        losses[:, fold != index] += model.losses(seen.table, seen.labels) / (len(seeds) - 1)
        models.append(model)
    trace = Trace(data=data, losses=losses, held_out=held_out, features=features, fold=fold)
    return CrossFit(trace=trace, models=tuple(models))


def _one_thread() -> threadpool_limits:
    """Within it the trees compute on the calling thread.

    Their steps are so short that OpenMP's threads wait for each other most of the time: beside any other work on two
    cores that made training more than ten times slower.
    """
    return threadpool_limits(1, user_api="openmp")


def is_number(kind: pa.DataType) -> bool:
    """Whether the cells of a column of this type are taken as numbers; else as categories."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or (pa.types.is_temporal(kind) and not pa.types.is_interval(kind))
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of a dictionary column, any other column as it is."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _categories(name: str, column: pa.ChunkedArray) -> tuple[str, ...] | None:
    column = _plain(column)
    if is_number(column.type):
        return None
    if not _is_text(column.type):
        raise InputError(f"column {name!r} holds {column.type}, which is neither a number nor a category.")
    counts = pc.value_counts(column.cast(pa.string()))
    ranked = sorted(
        ((entry["counts"].as_py(), entry["values"].as_py()) for entry in counts if entry["values"].is_valid),
        key=lambda pair: (-pair[0], pair[1]),
    )
    return tuple(value for _, value in ranked[:MOST_CATEGORIES])


def _coded(column: pa.ChunkedArray, found: tuple[str, ...] | None) -> NDArray[np.float64]:
    column = _plain(column)
    if found is not None:
        codes = pc.index_in(column.cast(pa.string()), pa.array(found, pa.string()))
        # Rare categories share the code after the last; missing ones stay missing.
        rest = pc.if_else(pc.is_valid(column), pa.scalar(len(found), pa.int32()), pa.scalar(None, pa.int32()))
        return _floats(pc.coalesce(codes, rest))
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if pa.types.is_temporal(column.type):
        wide = pa.int32() if column.type.bit_width == 32 else pa.int64()
        column = column.cast(wide)
    return _floats(column.cast(pa.float64(), safe=False))


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _ranks(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mid-ranks among the values present, spread over [-1, 1]: equal values stay equal, outliers don't dominate."""
    present = np.sort(codes[~np.isnan(codes)])
    if not len(present):
        return np.zeros_like(codes)
    low, high = np.searchsorted(present, codes, "left"), np.searchsorted(present, codes, "right")
    return (low + high) / len(present) - 1
