"""The results of a grid as one flat table, for other programs."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from bezoar.engine.grids.results import FIGURES, Measured, Results

_ABSENT = Measured(value=None)


def to_table(results: Results) -> pa.Table:
    """A line for each planned cell, in the grid's order; null where there is no number.

    Columns: the cell's fields (hyperparameters and recipe as JSON), ``key``, ``status`` ("missing" where nothing is
    known), ``reason``, ``seconds``, ``changed``, ``rows``, ``run``, and for each figure its value and, with the endings
    ``_low``, ``_high`` and ``_n``, its interval and the number of rows that it rests on.
    """
    found = [(key, cell, results.results.get(key)) for key, cell in results.planned.items()]
    others = {name for _, _, result in found if result for name in result.figures} - set(FIGURES)
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(cell, name) for _, cell, _ in found], kind)
        for name, kind in {
            "kind": pa.string(),
            "attack": pa.string(),
            "attack_label": pa.string(),
            "data": pa.string(),
            "data_digest": pa.string(),
            "rate": pa.float64(),
            "seed": pa.int64(),
            "detector": pa.string(),
            "detector_label": pa.string(),
        }.items()
    }
    for name in ("attack_settings", "detector_settings", "recipe"):
        columns[name] = pa.array([json.dumps(dict(getattr(cell, name)), sort_keys=True) for _, cell, _ in found])
    columns["key"] = pa.array([key for key, _, _ in found], pa.string())
    columns["status"] = pa.array([result.status if result else "missing" for _, _, result in found], pa.string())
    for name, kind in {
        "reason": pa.string(),
        "seconds": pa.float64(),
        "changed": pa.int64(),
        "rows": pa.int64(),
        "run": pa.string(),
    }.items():
        columns[name] = pa.array([getattr(result, name) if result else None for _, _, result in found], kind)
    for figure in (*FIGURES, *sorted(others)):
        measured = [result.figures.get(figure, _ABSENT) if result else _ABSENT for _, _, result in found]
        columns[figure] = pa.array([each.value for each in measured], pa.float64())
        columns[f"{figure}_low"] = pa.array([each.low for each in measured], pa.float64())
        columns[f"{figure}_high"] = pa.array([each.high for each in measured], pa.float64())
        columns[f"{figure}_n"] = pa.array([each.n if each.n else None for each in measured], pa.int64())
    return pa.table(columns)


def write_table(results: Results, stream: object) -> None:
    """Write :func:`to_table` as Parquet into an open file."""
    pq.write_table(to_table(results), stream)
