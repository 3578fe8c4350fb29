"""Results on disk: nothing that is written is lost, nothing half-written counts."""

import dataclasses
import errno
import json
import os

import pyarrow.parquet as pq
import pytest

from bezoar.core.errors import InputError, OutputError
from bezoar.engine.grids import results
from bezoar.engine.grids.results import Cell, Measured, Result, Run, append, read_lines, read_results, write_grid
from bezoar.engine.grids.table import write_table

CELL = Cell(
    attack="badnets",
    attack_settings={"size": 3, "place": "bottom_right"},
    data="digits.npz",
    data_digest="aa" * 32,
    rate=0.01,
    seed=3,
    detector="knn_disagreement",
    detector_settings={"k": 10},
    recipe={"epochs": 2},
)


def result(key, **other):
    figures = {"auroc": Measured(value=0.75, low=0.5, high=1.0, n=40), "ap": Measured(value=None, reason="none")}
    return Result(**{"cell": CELL, "key": key, "status": "done", "figures": figures, "seconds": 0.25} | other)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "models"},
        {"attack": "blended"},
        {"attack_settings": {"size": 4, "place": "bottom_right"}},
        {"data_digest": "bb" * 32},
        {"rate": 0.02},
        {"rate": None},
        {"seed": 4},
        {"detector": "mahalanobis"},
        {"detector_settings": {"k": 11}},
        {"recipe": {"epochs": 3}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_decides_a_result_is_in_its_address(change):
    other = dataclasses.replace(CELL, **change)
    assert other.identity != CELL.identity
    assert results.key(other, "code") != results.key(CELL, "code")


def test_another_version_of_the_code_is_another_address():
    assert results.key(CELL, "old") != results.key(CELL, "new")


def test_names_for_people_are_no_part_of_an_address():
    """Nor is the order of hyperparameters, nor where the same rows lie."""
    other = dataclasses.replace(
        CELL, attack_label="x", data="copy.npz", attack_settings={"place": "bottom_right", "size": 3}
    )
    assert other.identity == CELL.identity


def test_cells_of_a_row_share_it_whatever_their_detector():
    assert dataclasses.replace(CELL, detector="audit", detector_settings={}).row == CELL.row
    assert dataclasses.replace(CELL, seed=4).row != CELL.row


def test_what_is_appended_is_read_back(tmp_path):
    append(tmp_path / "results.jsonl", [result("a"), result("b", status="failed", reason="why", figures={})])
    append(tmp_path / "results.jsonl", [result("c")])
    read = read_lines(tmp_path / "results.jsonl", Result)
    assert [each.key for each in read] == ["a", "b", "c"]
    assert read[0] == result("a")


def test_a_line_that_a_crash_cut_short_is_ignored_and_then_written_over(tmp_path):
    file = tmp_path / "results.jsonl"
    append(file, [result("a"), result("b")])
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    assert [each.key for each in read_lines(file, Result)] == ["a"]
    append(file, [result("b")])
    assert file.read_bytes() == whole


def test_a_file_that_holds_nothing_but_half_a_line_starts_anew(tmp_path):
    file = tmp_path / "results.jsonl"
    file.write_bytes(b"x" * 200_000)
    append(file, [result("a")])
    assert [each.key for each in read_lines(file, Result)] == ["a"]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "results.jsonl"
    append(file, [result("a")])
    whole = file.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"results\.jsonl: cannot be written: No space left on device\.$"):
        append(file, [result("b")])
    assert file.read_bytes() == whole


@pytest.mark.parametrize("text", ["NaN", "Infinity", '"0.5"x', "[]"])
def test_a_figure_that_is_no_number_is_no_result(tmp_path, text):
    line = json.dumps(dataclasses.asdict(result("a"))).replace("0.75", text)
    (tmp_path / "results.jsonl").write_text(line + "\n")
    assert read_lines(tmp_path / "results.jsonl", Result) == []


def test_the_last_result_of_a_cell_counts_and_cells_without_one_are_missing(tmp_path):
    other = dataclasses.replace(CELL, seed=4)
    keys = [results.key(cell, "1") for cell in (CELL, other)]
    write_grid(tmp_path, dict(zip(keys, (CELL, other), strict=True)))
    append(tmp_path / results.RESULTS, [result(keys[0], status="failed", figures={}), result(keys[0]), result("old")])
    append(
        tmp_path / results.RUNS,
        [Run(id="r", command="c", started="s"), Run(id="r", command="c", started="s", seconds=1)],
    )
    read = read_results(tmp_path)
    assert read.missing == (other,)
    assert [each.status for each in read.results.values()] == ["done"]
    assert [run.seconds for run in read.runs] == [1]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": [1]}', '{"cells": [{"key": "a"}]}', "[" * 100_000])
def test_a_folder_without_a_plan_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "grid.json").write_text(text)
    with pytest.raises(InputError, match=r"grid\.json: not the plan of a grid: [^\n]*$"):
        read_results(tmp_path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_results(tmp_path / "nowhere")


def test_the_table_has_null_where_there_is_no_number(tmp_path):
    other = dataclasses.replace(CELL, seed=4)
    key = results.key(CELL, "1")
    write_grid(tmp_path, {key: CELL, results.key(other, "1"): other})
    append(tmp_path / results.RESULTS, [result(key)])
    with (tmp_path / "table").open("wb") as stream:
        write_table(read_results(tmp_path), stream)
    first, second = pq.read_table(tmp_path / "table").to_pylist()
    assert (first["status"], first["auroc"], first["auroc_low"], first["auroc_n"]) == ("done", 0.75, 0.5, 40)
    assert (first["ap"], first["ap_n"], first["tpr"]) == (None, None, None)
    assert (second["status"], second["auroc"], second["seconds"]) == ("missing", None, None)
    assert json.loads(first["detector_settings"]) == {"k": 10}
