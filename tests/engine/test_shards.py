"""Work by shards: the same wherever it is done, and done once."""

import dataclasses
import gc
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from bezoar.checks import planted_trace
from bezoar.core.errors import BezoarError, InputError
from bezoar.engine import shards
from bezoar.engine.scoring import score_rows
from bezoar.engine.shards import spreading
from bezoar.learn.embedding import embed
from bezoar.learn.picked import Picked
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train


@dataclass(frozen=True)
class Part:
    """A shard whose work leaves a line in a log."""

    number: int
    log: Path

    def digest(self):
        return hashlib.sha256(str(self.number).encode()).hexdigest()


def counted(part):
    """Squares of a thousand numbers, with a line in the log."""
    with part.log.open("a") as log:
        log.write(f"{part.number}\n")
    return {"squares": np.arange(part.number, part.number + 1_000) ** 2, "name": np.array([f"part {part.number}"])}


def slowly(part):
    """As above, in no hurry."""
    time.sleep(0.02)
    return counted(part)


def scaled(part, common):
    """Numbers of the shard times what is common."""
    return {"numbers": counted(part)["squares"] * common["factor"]}


def deadly(part):
    """A worker that is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def oddly(part):
    """Work that fails by itself."""
    raise ValueError("odd")


def parts(folder, n=12):
    return [Part(number, folder / "log") for number in range(n)]


def small_network():
    """A network that saw 300 images once, and 600 in which to look for something."""
    images = np.random.default_rng(0).integers(0, 256, (600, 1, 8, 8), dtype=np.uint8)
    labels = np.arange(300) % 3
    recipe = Recipe(epochs=1)
    model = train(images[:300], labels, 3, recipe, torch.Generator().manual_seed(0))[0]
    return model, Picked(images, np.arange(600))


def result(given):
    return [(arrays["name"][0], arrays["squares"].tolist()) for arrays in given]


@pytest.fixture
def at_once(monkeypatch):
    """Processes, and results that are kept, from the first shard on."""
    monkeypatch.setattr(shards, "PATIENCE", -1.0)


def test_threads_and_processes_give_the_same_in_order(tmp_path, at_once):
    wanted = [(f"part {i}", [j**2 for j in range(i, i + 1_000)]) for i in range(12)]
    for workers in (1, 2, 3):
        with spreading(workers=workers) as spread:
            assert result(spread(counted, parts(tmp_path))) == wanted


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_cluster_gives_the_same(tmp_path, monkeypatch):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the extra ray is not installed")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    # A place of its own, so that "auto" does not find somebody else's cluster. Sockets need a short path.
    place = tempfile.TemporaryDirectory(prefix="r")
    monkeypatch.setenv("RAY_TMPDIR", place.name)
    with spreading(workers=1) as spread:
        wanted = result(spread(counted, parts(tmp_path)))
    trace, model, images = planted_trace().trace, *small_network()
    scores = score_rows(trace, None, lambda share: None)
    with spreading(ray="auto", workers=2) as spread:
        assert result(spread(counted, parts(tmp_path))) == wanted
        for given, number in zip(spread(scaled, parts(tmp_path), {"factor": np.array(3)}), range(12), strict=True):
            np.testing.assert_array_equal(given["numbers"], 3 * np.arange(number, number + 1_000) ** 2)
        # On processors of one kind, to the last digit.
        for found, expected in zip(
            embed(model, images, spread, lambda rows: None), model.predict_with_features(images), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
        found = score_rows(dataclasses.replace(trace), None, lambda share: None, spread=spread)
        assert found.failed == ()
        for name, expected in scores.by_detector.items():
            np.testing.assert_array_equal(found.by_detector[name], expected, err_msg=name)
        with pytest.raises(ValueError, match="^odd$"):
            list(spread(oddly, parts(tmp_path)))
        with pytest.raises(BezoarError, match="^the cluster could not finish.*--resume"):
            list(spread(deadly, parts(tmp_path, 1)))
    place.cleanup()
    gc.collect()  # Ray leaves files open, which would be held against the test after this one


def test_an_address_where_no_cluster_answers_is_one_line():
    with pytest.raises(InputError, match="no Ray cluster answers"), spreading(ray="127.0.0.1:9"):
        pass


def test_what_is_kept_is_not_done_again(tmp_path, at_once):
    for _ in range(2):
        with spreading(workers=1, checkpoints=tmp_path / "kept") as spread:
            given = result(spread(counted, parts(tmp_path)))
    assert (tmp_path / "log").read_text().split() == [str(number) for number in range(12)]
    assert given == result(map(counted, parts(tmp_path)))


def test_work_of_another_kind_is_kept_apart(tmp_path, at_once):
    for function in (counted, slowly):
        with spreading(workers=1, checkpoints=tmp_path / "kept") as spread:
            list(spread(function, parts(tmp_path, 2)))
    assert len((tmp_path / "log").read_text().split()) == 4


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no zip", b"\x80\x04\x95pickle"])
def test_a_damaged_result_is_made_again(tmp_path, at_once, damage):
    for _ in range(2):
        with spreading(workers=1, checkpoints=tmp_path / "kept") as spread:
            given = result(spread(counted, parts(tmp_path, 3)))
        next(iter((tmp_path / "kept").iterdir())).write_bytes(damage)
    assert given == result(map(counted, parts(tmp_path, 3)))


def test_after_a_kill_only_the_missing_shards_are_done(tmp_path, at_once):
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; import test_shards as t\n"
        "from bezoar.engine import shards; shards.PATIENCE = -1.0\n"
        "folder = Path(sys.argv[1])\n"
        "with shards.spreading(workers=1, checkpoints=folder / 'kept') as spread:\n"
        "    list(spread(t.slowly, t.parts(folder, 200)))\n"
    )
    program = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)])
    kept = tmp_path / "kept"
    deadline = time.monotonic() + 60
    while not (kept.exists() and len(list(kept.glob("*.npz"))) >= 10):
        assert program.poll() is None and time.monotonic() < deadline, "it ended before it could be killed"
        time.sleep(0.01)
    program.kill()
    program.wait()
    held, before = len([file for file in kept.glob("*.npz") if not file.name.startswith(".")]), tmp_path / "log"
    begun = len(before.read_text().split())
    assert begun < 200
    before.unlink()
    named = slowly.__module__
    slowly.__module__ = "test_shards"
    try:
        with spreading(workers=1, checkpoints=kept) as spread:
            given = result(spread(slowly, parts(tmp_path, 200)))
    finally:
        slowly.__module__ = named
    assert len((tmp_path / "log").read_text().split()) == 200 - held
    assert given == result(map(counted, parts(tmp_path, 200)))


def test_what_is_done_at_once_is_not_kept(tmp_path):
    with spreading(workers=1, checkpoints=tmp_path / "kept") as spread:
        assert result(spread(counted, parts(tmp_path))) == result(map(counted, parts(tmp_path)))
    assert not (tmp_path / "kept").exists()


def test_a_killed_process_ends_the_work_with_one_line(tmp_path, at_once):
    with pytest.raises(BezoarError, match="was killed.*--resume"), spreading(workers=2) as spread:
        list(spread(deadly, parts(tmp_path)))


@dataclass(frozen=True)
class Patient(Part):
    """The first shard waits until another one is kept."""

    def wait(self):
        deadline = time.monotonic() + 20
        while not list((self.log.parent / "kept").glob("*.npz")):
            assert time.monotonic() < deadline, "nothing was kept meanwhile"
            time.sleep(0.01)


def after_another(part):
    if part.number == 0:
        part.wait()
    return counted(part)


def test_what_ends_before_the_first_shard_is_kept_while_that_goes_on(tmp_path, at_once):
    with spreading(workers=2, checkpoints=tmp_path / "kept") as spread:
        shards_ = [Patient(number, tmp_path / "log") for number in range(3)]
        assert len(list(spread.here(after_another, shards_))) == 3


def test_what_is_common_reaches_every_shard_and_decides_what_is_kept(tmp_path, at_once):
    for factor in (2, 3, 3):
        for workers in (1, 2):
            with spreading(workers=workers, checkpoints=tmp_path / "kept") as spread:
                given = [each["numbers"] for each in spread(scaled, parts(tmp_path, 2), {"factor": np.array([factor])})]
            assert [numbers.tolist() for numbers in given] == [
                [factor * i**2 for i in range(first, first + 1_000)] for first in range(2)
            ]
    assert len((tmp_path / "log").read_text().split()) == 4
