"""Workers: equal results however many there are and wherever they run, and what is lost when one is killed."""

import importlib.util
import os
import socket
import sys
from pathlib import Path

import pytest

from bezoar.core.errors import InputError, UsageError
from bezoar.engine.grids import ray as on_ray
from bezoar.engine.grids.driver import run_grid
from bezoar.engine.grids.executor import DIED
from bezoar.engine.grids.local import Local
from bezoar.engine.grids.ray import connected
from made_kind import Inline, of_made, quick

TESTS = Path(__file__).parents[2]


def figures(results):
    """What was found, by what was asked, without times."""
    return {
        result.cell.identity: (result.status, result.reason, result.figures, result.changed)
        for result in results.results.values()
    }


def by_detector(results):
    return {(result.cell.attack, result.cell.detector): result for result in results.results.values()}


def lines(log):
    return sorted(log.read_text().split("\n")[:-1])


@pytest.fixture(scope="module")
def grid(small):
    return quick(small, "badnets", "label_flip", detectors=["spectral_signatures"], recipe={"epochs": 1})


@pytest.fixture(scope="module")
def expected(grid, tmp_path_factory):
    return figures(run_grid(grid, tmp_path_factory.mktemp("inline"), Inline()))


def test_a_row_that_is_alone_on_its_machine_gives_the_same_results(grid, expected, tmp_path):
    """It trains both folds side by side, where others train one after the other."""
    assert figures(run_grid(grid, tmp_path, Inline(alone=True))) == expected


def test_results_are_equal_on_several_local_workers(grid, expected, tmp_path):
    assert figures(run_grid(grid, tmp_path, Local(workers=2))) == expected


def test_a_killed_worker_loses_its_row_alone_and_that_is_tried_once_more(tmp_path, made):
    """In row a the worker is killed once, after a cell that is done; in row b every time."""
    found = run_grid(of_made("x", "die_once", "y", attacks=["a", "b"]), tmp_path / "once", Local(workers=2))
    assert {result.status for result in found.results.values()} == {"done"}
    assert lines(made) == sorted(f"{row} 0 {name}" for row in "ab" for name in ("x", "die_once", "y"))


def test_a_row_whose_worker_dies_twice_fails_with_the_reason_and_keeps_what_was_done(tmp_path, made):
    found = by_detector(run_grid(of_made("x", "die", "y", attacks=["a"]), tmp_path / "out", Local(workers=1)))
    assert [found["a", name].status for name in ("x", "die", "y")] == ["done", "failed", "failed"]
    assert found["a", "die"].reason == DIED
    assert found["a", "die"].figures == {}
    assert lines(made) == ["a 0 x"]


def test_an_odd_error_of_a_worker_fails_its_row_and_the_grid_goes_on(tmp_path, made):
    found = run_grid(of_made("x", "raise", seeds=3), tmp_path / "out", Local(workers=1))
    assert len(found.ended("done")) == 3
    assert {result.reason for result in found.ended("failed")} == {"OddError: it is odd"}


@pytest.fixture
def cluster(made, monkeypatch):
    """Ray on this machine with two workers, which know the package from elsewhere."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*sys.path[:1], str(made.parent / "site"), str(TESTS)]))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with connected("auto", workers=2) as executor:
        yield executor


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_ray_gives_equal_results_and_survives_a_killed_worker(cluster, grid, expected, tmp_path, made):
    assert cluster.workers == 2
    assert figures(run_grid(grid, tmp_path / "ray", cluster)) == expected
    once = run_grid(of_made("x", "die_once", "y"), tmp_path / "once", cluster)
    assert {result.status for result in once.results.values()} == {"done"}
    assert lines(made) == ["a 0 die_once", "a 0 x", "a 0 y"]
    twice = by_detector(run_grid(of_made("x", "die", attacks=["b"]), tmp_path / "twice", cluster))
    assert (twice["b", "x"].status, twice["b", "die"].reason) == ("done", DIED)
    odd = by_detector(run_grid(of_made("raise"), tmp_path / "odd", cluster))
    assert odd["a", "raise"].reason == "OddError: it is odd"


@pytest.fixture
def silent():
    """An address at which something listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_an_address_that_does_not_answer_is_one_line_and_soon(silent, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(on_ray, "_ANSWER", 2.0)
    for address in (silent, f"ray://{silent}", "127.0.0.1:9"):
        with pytest.raises(InputError, match=f"^{address}: no Ray cluster answers there.$"), connected(address):
            pass
    assert on_ray._CONNECT + 14 < 20


@pytest.mark.parametrize("address", ["", "nowhere", "host:", ":6379", "host:port"])
def test_what_is_no_address_is_refused(address):
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match="must be auto, host:port or ray://host:port"), connected(address):
        pass


def test_ray_that_is_not_installed_is_told_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="pip install 'bezoar"), connected("auto"):
        pass
