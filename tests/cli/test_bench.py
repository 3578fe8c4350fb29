"""`bezoar bench` as a person meets it."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits

from bezoar.cli import bench
from bezoar.cli.main import run
from bezoar.engine.grids.driver import Standing
from bezoar.engine.grids.results import Cell

FILES = {"grid.json", "index.html", "results.jsonl", "results.parquet", "runs.jsonl"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    images, labels = load_digits(return_X_y=True)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, x=np.rint(images[:200] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8), y=labels[:200])
    return path


@pytest.fixture(scope="module")
def measured(small, tmp_path_factory):
    """A grid run by the program itself: its folder, status and what it said on standard error."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "grid.yaml").write_text(
        f"data: ['{small}']\nattacks: [none, badnets]\nrates: [0.1]\ndetectors: [loss_dynamics]\nrecipe: {{epochs: 1}}\n"
    )
    command = [sys.executable, "-c", "from bezoar.cli.main import main; main()"]
    done = subprocess.run(
        [*command, "bench", str(folder / "grid.yaml"), "--out", str(folder / "out"), "--workers", "1"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return folder / "out", done


def test_a_grid_leaves_results_a_table_and_a_page(measured):
    folder, done = measured
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == FILES
    assert done.stdout.startswith("4 cells, 3 done, 0 failed, 1 not applicable, 0 missing\n")
    assert str(folder / "index.html") in done.stdout
    table = pq.read_table(folder / "results.parquet").to_pylist()
    assert [row["status"] for row in table] == ["done", "not_applicable", "done", "done"]
    assert "loss_dynamics" in (folder / "index.html").read_text(encoding="utf-8")


def test_a_line_a_row_says_how_far_it_is(measured):
    lines = measured[1].stderr.splitlines()
    assert lines[0] == "2 rows to run"
    assert lines[1].startswith("[1/2] ")
    assert lines[1].endswith(" left")
    assert lines[2].startswith("[2/2] ")


def test_the_same_command_again_measures_nothing_and_gives_the_same(measured, capsys):
    folder, _ = measured
    before = (folder / "results.jsonl").read_bytes()
    assert run(["bench", str(folder.parent / "grid.yaml"), "--out", str(folder), "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["cells"], found["done"], found["failed"], found["missing"]) == (4, 3, 0, 0)
    assert {result["status"] for result in found["results"]} == {"done", "not_applicable"}
    assert captured.err == ""
    assert (folder / "results.jsonl").read_bytes() == before


def test_the_page_is_written_again_from_the_results(measured, capsys):
    folder, _ = measured
    page = (folder / "index.html").read_bytes()
    (folder / "index.html").unlink()
    assert run(["bench", "report", str(folder), "--quiet"]) == 0
    assert (folder / "index.html").read_bytes() == page
    assert capsys.readouterr().out == ""


def test_a_grid_is_no_better_or_worse_than_itself(measured, capsys, tmp_path):
    folder, _ = measured
    assert run(["bench", "compare", str(folder), str(folder), "--out", str(tmp_path / "page.html")]) == 0
    assert "no " in capsys.readouterr().out
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert run(["bench", "compare", str(folder), str(folder), "--json"]) == 0
    verdicts = {change["verdict"] for change in json.loads(capsys.readouterr().out)["changes"]}
    assert not verdicts & {"better", "worse"}


def test_a_failed_cell_is_told_with_its_reason_and_makes_the_status_3(measured, capsys, tmp_path):
    folder, _ = measured
    lines = (folder / "results.jsonl").read_text().splitlines()
    broken = [json.loads(line) for line in lines]
    broken[-1] |= {"status": "failed", "reason": "it broke", "figures": {}}
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in broken))
    (tmp_path / "grid.json").write_bytes((folder / "grid.json").read_bytes())
    assert run(["bench", str(folder.parent / "grid.yaml"), "--out", str(tmp_path)]) == 3
    said = capsys.readouterr().out
    assert said.startswith("4 cells, 2 done, 1 failed, 1 not applicable, 0 missing\n")
    assert ": it broke\n" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--attacks", "badnet", "--data", "digits"], "no attack named 'badnet'. Did you mean badnets"),
        (["--attacks", "badnets", "--data", "digitz"], "digitz: no such file"),
        (["--attacks", "badnets", "--data", "digits", "--detectors", "knn"], "no detector named 'knn'. Did you mean"),
        (["--attacks", "badnets", "--data", "digits", "--rates", "2"], "options: `rates.0`: "),
        (["--attacks", "badnets"], "Name a grid, or give `--data`."),
        (["--data", "digits"], "Name a grid, or give `--attacks`."),
        (["nowhere.yaml"], "nowhere.yaml: cannot be read: No such file or directory."),
        (["run", "a.yaml", "b.yaml"], "Got unexpected extra argument"),
        (["report", "nowhere"], "nowhere/grid.json: cannot be read"),
        (["compare", "nowhere", "there"], "nowhere/grid.json: cannot be read"),
        (["compare", "nowhere"], "Missing argument 'B'"),
        (
            ["--attacks", "badnets", "--data", "digits", "--ray", "127.0.0.1:9"],
            "127.0.0.1:9: no Ray cluster answers there.",
        ),
        (["--attacks", "badnets", "--data", ".", "--rates", "0.1"], "`--out` out lies in the data itself"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    out = [] if arguments[0] in {"report", "compare"} else ["--out", "out"]
    assert run(["bench", *arguments, *out]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"bezoar: {said}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "out" / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (119, "119 s"), (121, "2 min"), (7199, "120 min"), (7300, "2.0 h")]
)
def test_the_time_left_is_short_to_read(seconds, said):
    assert bench._time(seconds) == said


def test_a_hostile_name_prints_on_one_line(capsys):
    cell = Cell(attack="a", attack_label="a\nb", data="\x1b[2J", rate=0.1, seed=0, detector="d")
    tell = bench._telling(lambda stage, share: None)
    tell(Standing(row=cell, failed=2, rows=1, of_rows=3, left=60.0))
    said = capsys.readouterr().err
    assert said == "[1/3] a\\x0ab at 0.1 on \\x1b[2J, seed 0, 2 cells failed, about 60 s left\n"
