"""Bad input at the command line: one clear line, the right status, and nothing that looks like a report."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bezoar.cli.main import run
from bezoar.engine import audit as engine
from bezoar.learn import training
from bezoar.learn.recipe import Recipe
from disk import fill_after
from samples import png

FAST = ("--no-controls", "--detectors", "confident_learning", "--quiet")
LONG = Recipe(epochs=25, batch_size=32)
PROGRAM = (
    "import bezoar.engine.audit as engine; from bezoar.learn.recipe import Recipe\n"
    f"engine.default_recipe = lambda rows: {LONG!r}\n"
    "from bezoar.cli.main import main; main()"
)


@pytest.fixture(autouse=True)
def one_epoch(monkeypatch):
    """Networks that are trained as little as can be."""
    monkeypatch.setattr(engine, "default_recipe", lambda rows: Recipe(epochs=1))


def digits(n, rng=0):
    """Images of two classes that differ in brightness."""
    labels = np.arange(n) % 2
    noise = np.random.default_rng(rng).integers(0, 60, (n, 8, 8))
    return (noise + 150 * labels[:, None, None]).astype(np.uint8), labels


def save(file, images, labels):
    np.savez(file, images=images, labels=labels)
    return file


def empty_folder(root):
    (root / "set").mkdir()
    return root / "set"


def missing(root):
    return root / "nowhere"


def one_class(root):
    return save(root / "set.npz", digits(100)[0], np.zeros(100, int))


def one_row_in_a_class(root):
    return save(root / "set.npz", digits(100)[0], (np.arange(100) == 0).astype(int))


def ten_rows(root):
    return save(root / "set.npz", *digits(10))


def no_labels(root):
    np.savez(root / "set.npz", images=digits(100)[0])
    return root / "set.npz"


def pickled(root):
    return save(root / "set.npz", np.array([{"a": 1}] * 50, dtype=object), np.arange(50) % 2)


def bomb(root):
    """Header and zeros that unpack to 64 GiB from a few megabytes, declared honestly."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (2**20, 256, 256)})
    with zipfile.ZipFile(root / "set.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", stream.getvalue() + bytes(10_000_000))
        archive.writestr("labels.npy", b"")
    return root / "set.npz"


def truncated(root):
    file = save(root / "set.npz", *digits(200))
    file.write_bytes(file.read_bytes()[:2_000])
    return file


def truncated_parquet(root):
    file = root / "set.parquet"
    pq.write_table(pa.table({"a": [1.0] * 100, "label": [0, 1] * 50}), file)
    file.write_bytes(file.read_bytes()[:300])
    return file


def duplicate_ids(root):
    pq.write_table(pa.table({"a": [1.0] * 100, "label": [0, 1] * 50, "id": ["same"] * 100}), root / "set.parquet")
    return root / "set.parquet"


def ragged(root):
    rows = [f"{i},{'xy'[i % 2]}\n" for i in range(100)]
    (root / "set.csv").write_text("a,label\n" + "".join(rows) + "1,2,3,4\n" * 7)
    return root / "set.csv"


def no_text(root):
    (root / "set.csv").write_bytes(b"a,label\n" + bytes(range(128, 256)) * 20)
    return root / "set.csv"


def empty_file(root):
    (root / "set.csv").write_bytes(b"")
    return root / "set.csv"


def wrong_lengths(root):
    return save(root / "set.npz", digits(100)[0], np.arange(90) % 2)


def fractions(root):
    pq.write_table(pa.table({"a": np.arange(100.0), "label": np.arange(100) / 7}), root / "set.parquet")
    return root / "set.parquet"


REFUSED = (
    empty_folder,
    missing,
    one_class,
    one_row_in_a_class,
    ten_rows,
    no_labels,
    pickled,
    bomb,
    truncated,
    truncated_parquet,
    duplicate_ids,
    no_text,
    empty_file,
    wrong_lengths,
    fractions,
)


@pytest.mark.parametrize("made", REFUSED, ids=lambda made: made.__name__)
def test_what_cannot_be_audited_is_one_line_status_2_and_no_report(tmp_path, capsys, made):
    spec = made(tmp_path)
    assert run(["audit", "data", str(spec), "--out", str(tmp_path / "out"), *FAST]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("bezoar: ")
    assert captured.err.count("\n") == 1
    assert spec.name in captured.err, "the line names what is wrong"
    assert captured.out == ""
    assert not list(tmp_path.glob("out/*"))


def test_ragged_rows_are_counted_and_the_audit_does_not_pass(tmp_path):
    status = run(["audit", "data", str(ragged(tmp_path)), "--out", str(tmp_path / "out"), *FAST, "--fail-on", "never"])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert status == 3
    assert (report["dataset"]["rows"], report["dataset"]["unread"]) == (100, 7)


def test_cells_that_are_not_finite_are_no_error(tmp_path):
    labels = np.arange(400) % 2
    odd = np.where(np.arange(400) % 5 == 0, np.nan, np.where(np.arange(400) % 7 == 0, np.inf, labels * 5.0))
    pq.write_table(pa.table({"odd": odd, "good": labels * 5.0, "label": labels}), tmp_path / "set.parquet")
    assert run(["audit", "data", str(tmp_path / "set.parquet"), "--out", str(tmp_path / "out"), *FAST]) == 0


def pictures(folder, n=60):
    images, labels = digits(n)
    for row in range(n):
        place = folder / f"class{labels[row]}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{row:03}.png").write_bytes(png(images[row]))


def test_damaged_pictures_are_listed_and_the_audit_does_not_pass(tmp_path):
    pictures(tmp_path / "set")
    (tmp_path / "set" / "class0" / "torn.png").write_bytes(b"\x89PNG torn")
    status = run(["audit", "data", str(tmp_path / "set"), "--out", str(tmp_path / "out"), *FAST])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert status == 3
    assert [row["where"] for row in report["unread"]] == ["set/class0/torn.png"]
    assert "BZ108" in {finding["code"] for finding in report["findings"]}


def test_pictures_that_may_not_be_read_are_listed(tmp_path):
    pictures(tmp_path / "set")
    secret = tmp_path / "set" / "class0" / "000.png"
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        pytest.skip("the superuser can read everything")
    assert run(["audit", "data", str(tmp_path / "set"), "--out", str(tmp_path / "out"), *FAST]) == 3


def test_two_hundred_classes_of_ten_rows_end_in_a_report(tmp_path):
    labels = np.arange(2_000) % 200
    rng = np.random.default_rng(0)
    images = rng.integers(0, 30, (2_000, 8, 8)) + (labels % 20 * 10)[:, None, None]
    save(tmp_path / "set.npz", images.astype(np.uint8), labels)
    assert run(["audit", "data", str(tmp_path / "set.npz"), "--out", str(tmp_path / "out"), *FAST]) in (0, 1, 3)
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["dataset"]["classes"]) == 200


def test_a_folder_that_may_not_be_written_to_is_one_line_and_status_3(tmp_path, capsys):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("the superuser can write everywhere")
    assert run(["audit", "data", "breast_cancer", "--out", str(closed / "out"), *FAST]) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("room", [0, 3])
def test_a_full_disk_is_one_line_status_3_and_no_half_report(tmp_path, capsys, monkeypatch, room):
    fill_after(monkeypatch, room)
    assert run(["audit", "data", "breast_cancer", "--out", str(tmp_path / "out"), *FAST]) == 3
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert error.count("\n") == 1
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.endswith(".tmp")]
    for report in (tmp_path / "out").glob("report.json"):
        json.loads(report.read_text())


def started(arguments):
    """The program as a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def wait_for(path, process):
    for _ in range(600):
        if list(path.parent.glob(path.name)):
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    pytest.fail(f"{path} never came")


@pytest.fixture(scope="module")
def striped(tmp_path_factory):
    return save(tmp_path_factory.mktemp("striped") / "set.npz", *digits(200))


@pytest.fixture(scope="module")
def killed(tmp_path_factory, striped):
    """What `kill -9` during training leaves in the report's folder."""
    out = tmp_path_factory.mktemp("killed") / "out"
    with started(["audit", "data", str(striped), "--out", str(out), *FAST]) as process:
        wait_for(out / ".resume" / "training" / "fold*.safetensors", process)
        process.kill()
        process.communicate()
    return out


def test_an_interrupt_during_training_is_one_line_and_status_130(tmp_path, striped):
    out = tmp_path / "out"
    with started(["audit", "data", str(striped), "--out", str(out), *FAST]) as process:
        wait_for(out / ".resume" / "training" / "fold*.safetensors", process)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=30)
    assert (process.returncode, said, error) == (130, "", "bezoar: stopped\n")
    assert [path.name for path in out.iterdir()] == [".resume"], "a way back, and nothing that looks like a report"


def told(out):
    """The report without what differs from run to run, and its rows."""
    report = json.loads((out / "report.json").read_text())
    for name in ("started", "seconds", "stages", "cpu_seconds", "peak_bytes", "command", "arguments", "defaults"):
        del report["run"][name]
    return report, pq.read_table(out / "rows.parquet")


@pytest.mark.parametrize("brightness", [0, 9], ids=["the same data", "other data"])
def test_a_killed_audit_leaves_no_report_and_resumes_to_what_an_unbroken_one_says(
    tmp_path, striped, killed, monkeypatch, brightness
):
    """With other data nothing of the killed training is taken over."""
    monkeypatch.setattr(engine, "default_recipe", lambda rows: LONG)
    assert [path.name for path in killed.iterdir()] == [".resume"]
    shutil.copytree(killed, tmp_path / "torn")
    images, labels = digits(200)
    spec = str(save(tmp_path / "set.npz", images + np.uint8(brightness), labels))
    heard = []
    monkeypatch.setattr(training.checkpoints, "load", heard_load(heard))
    for options in (["--out", str(tmp_path / "torn"), "--resume"], ["--out", str(tmp_path / "whole")]):
        assert run(["audit", "data", spec, *FAST, *options]) in (0, 1, 3)
    (first, rows), (second, again) = told(tmp_path / "torn"), told(tmp_path / "whole")
    assert first == second
    assert rows.equals(again)
    assert any(heard) is (brightness == 0), "taken up where the killed one was, or begun afresh"
    assert not (tmp_path / "torn" / ".resume").exists(), "a finished audit needs no way back"


def heard_load(heard):
    """The real function, which also notes whether there was something to take up."""
    real = training.checkpoints.load

    def load(*arguments, **named):
        found = real(*arguments, **named)
        heard.append(found is not None)
        return found

    return load
