"""From a grid to its results: resumed after any end, one driver a folder, little overhead."""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bezoar.core.errors import OutputError, UnknownNameError, UsageError
from bezoar.engine.grids import driver, executor, kinds, results
from bezoar.engine.grids.driver import run_grid
from bezoar.engine.grids.grid import make_grid
from bezoar.engine.grids.results import read_lines
from made_kind import Inline, of_made, quick

TESTS = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-c", "from bezoar.cli.main import main; main()")


@dataclasses.dataclass(frozen=True)
class Never:
    """An executor for grids of which everything is known."""

    name: str = "never"
    workers: int = 1

    def run(self, tasks, inputs):
        raise AssertionError(f"{len(tasks)} rows were to be run")
        yield


def lines(log):
    return log.read_text().split("\n")[:-1]


def test_a_kind_of_work_from_elsewhere_takes_part(tmp_path, made):
    found = run_grid(of_made("x", "y", seeds=2), tmp_path / "out", Inline())
    assert [result.figures["answer"].value for result in found.ended("done")] == [7, 7, 14, 14]
    assert found.missing == ()


def test_a_kind_that_does_not_exist_is_named(tmp_path):
    grid = make_grid({"kind": "row", "data": ["d"], "attacks": ["a"]}, where="")
    with pytest.raises(UnknownNameError, match="no kind of grid named 'row'. Did you mean rows?"):
        run_grid(grid, tmp_path / "out", Inline())


def test_what_is_known_is_not_run_again(tmp_path, made):
    first = run_grid(of_made("x", seeds=2), tmp_path / "out", Inline())
    again = run_grid(of_made("x", seeds=2), tmp_path / "out", Never())
    assert again.results == first.results
    assert len(again.runs) == 1


def test_a_larger_grid_runs_what_is_new(tmp_path, made):
    run_grid(of_made("x"), tmp_path / "out", Inline())
    found = run_grid(of_made("x", "y", seeds=2), tmp_path / "out", Inline())
    assert lines(made) == ["a 0 x", "a 0 y", "a 1 x", "a 1 y"]
    assert len(found.ended("done")) == 4


def test_another_version_of_the_code_measures_anew(tmp_path, made, monkeypatch):
    run_grid(of_made("x"), tmp_path / "out", Inline())
    key = results.key
    monkeypatch.setattr(results, "key", lambda cell, code: key(cell, code + "2"))
    found = run_grid(of_made("x"), tmp_path / "out", Inline())
    assert lines(made) == ["a 0 x"] * 2
    assert len(found.planned) == len(found.results) == 1


def test_failed_cells_are_tried_again_only_when_asked(tmp_path, small, made, monkeypatch):
    grid = quick(small, "label_flip", detectors=["breaking", "counted"])
    assert [each.cell.detector for each in run_grid(grid, tmp_path / "out", Inline()).ended("failed")] == ["breaking"]
    assert len(run_grid(grid, tmp_path / "out", Never()).ended("failed")) == 1
    monkeypatch.setattr("made_kind.Breaking.score", lambda self, trace: trace.losses[-1].astype(float))
    found = run_grid(grid, tmp_path / "out", Inline(), again_failed=True)
    assert len(found.ended("failed")) == 0
    assert len(lines(made)) == 1  # what was done stayed done


def test_cells_that_are_not_applicable_are_known_before_anything_runs(tmp_path, small):
    found = run_grid(quick(small, {"badnets": {"target": "12"}}, detectors=["audit"]), tmp_path / "out", Never())
    assert len(found.ended("not_applicable")) == 2
    assert found.runs == ()


def test_the_run_record_says_what_ran_where_and_how_it_ended(tmp_path, made):
    out = tmp_path / "out"
    run = run_grid(of_made("x", seeds=3), out, Inline()).runs[0]
    assert (run.executor, run.workers, run.cells, run.seeds, run.ended) == ("inline", 1, 3, (0, 1, 2), "done")
    assert {"python", "bezoar", "torch"} <= set(run.versions)
    assert run.arguments["attacks"] == [{"name": "a", "settings": {}}]
    assert {result.run for result in results.read_results(out).results.values()} == {run.id}
    assert not (out / driver.WORK).exists()


def test_a_second_driver_on_a_folder_ends_at_once_and_the_lock_ends_with_its_holder(tmp_path, made):
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"out: another grid is being run into this folder\."):
            run_grid(of_made("x"), out, Never())
    assert len(run_grid(of_made("x"), out, Inline()).results) == 1


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/out: cannot be written to: Not a directory\."):
        run_grid(of_made("x"), tmp_path / "file" / "out", Never())


def test_a_full_disk_loses_no_cell(tmp_path, made, monkeypatch):
    """From the third row on nothing can be written any more. Afterwards only what is missing is run."""
    appended = results.append
    written = []

    def nearly_full(path, records):
        records = list(records)
        if path.name == results.RESULTS:
            written.append(path)
            if len(written) > 2:
                raise OutputError(f"{path}: cannot be written: {os.strerror(errno.ENOSPC)}.")
        appended(path, records)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(results, "append", nearly_full)
        with pytest.raises(OutputError, match="No space left on device"):
            run_grid(of_made("x", seeds=5), out, Inline())
    assert len(results.read_results(out).results) == 2
    assert results.read_results(out).runs[0].ended == "failed"
    assert len(run_grid(of_made("x", seeds=5), out, Inline()).results) == 5
    # The third row's cell was done and kept by its worker when the disk was full: it is not done twice.
    assert lines(made) == [f"a {seed} x" for seed in range(5)]


def test_a_worker_that_is_stopped_between_cells_takes_up_the_rest(tmp_path, made):
    """What the row's folder holds is done, whatever became of the worker."""
    grid = of_made("x", "raise", "y")
    plan = kinds.lookup("made").plan(grid)
    cells = {each.key: each.cell for each in plan.cells}
    task = kinds.Task(kind="made", cells=cells, folder=tmp_path / "row", device="cpu", alone=True)
    with pytest.raises(Exception, match="it is odd"):
        executor.work(task, 7)
    assert [result.cell.detector for result in executor.kept(task)] == ["x"]
    rest = dataclasses.replace(task, cells={key: cell for key, cell in cells.items() if cell.detector != "raise"})
    assert len(executor.work(rest, 7)) == 2
    assert lines(made) == ["a 0 x", "a 0 y"]


def test_a_killed_driver_loses_no_finished_cell_and_none_is_run_twice(tmp_path, made):
    """`kill -9` in the middle of a row. Its worker ends as well, and the next driver takes over what it had done."""
    out, log = tmp_path / "out", made
    (tmp_path / "grid.yaml").write_text("kind: made\ndata: [d]\nattacks: [a]\nseeds: 4\ndetectors: [x, y, sleep, z]\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(TESTS)])}
    command = [*PROGRAM, "bench", str(tmp_path / "grid.yaml"), "--out", str(out), "--workers", "1"]
    process = subprocess.Popen([*command, "--quiet"], env=environment)
    until(lambda: "a 1 y" in lines(log))
    process.kill()
    process.wait()
    at_death = len(lines(log))
    time.sleep(1.0)
    assert len(lines(log)) <= at_death + 1  # the worker is gone too
    assert any((out / driver.WORK).glob("*/cells.jsonl"))
    before = len(results.read_results(out).results)
    found = run_grid(of_made("x", "y", "sleep", "z", seeds=4), out, Inline())
    assert before >= 4
    assert len(found.ended("done")) == 16
    assert sorted(lines(log)) == sorted(f"a {seed} {name}" for seed in range(4) for name in ("x", "y", "sleep", "z"))
    assert [run.ended for run in found.runs] == ["", "done"]


def test_ctrl_c_is_one_line_and_status_130_and_ends_the_workers(tmp_path, made):
    out, log = tmp_path / "out", made
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(TESTS)])}
    (tmp_path / "grid.yaml").write_text("kind: made\ndata: [d]\nattacks: [a]\ndetectors: [x, hang]\n")
    process = subprocess.Popen(
        [*PROGRAM, "bench", str(tmp_path / "grid.yaml"), "--out", str(out), "--quiet"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: len(lines(log)) == 2)
    worker = int(lines(log)[1].split()[1])
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "bezoar: stopped\n")
    until(lambda: not Path(f"/proc/{worker}").exists(), seconds=5)
    assert [run.ended for run in read_lines(out / results.RUNS, results.Run)][-1] == "stopped"
    found = run_grid(of_made("x"), out, Never())
    assert len(found.ended("done")) == 1


def test_the_grid_itself_costs_at_most_50_ms_a_cell(tmp_path, made):
    """Processor time of driver, worker and store over 400 cells that do nothing; and the file grows by lines, not anew."""
    grid = of_made(*(f"d{i}" for i in range(10)), seeds=40)
    began = time.process_time()
    run_grid(grid, tmp_path / "out", Inline())
    assert (time.process_time() - began) / 400 < 0.05
    with (tmp_path / "out" / results.RESULTS).open() as stream:
        assert sum(1 for line in stream if json.loads(line)) == 400


def until(true, seconds=60.0):
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(IndexError):
            if true():
                return
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")
