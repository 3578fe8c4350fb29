"""`bezoar scan` says in lines or in JSON what is wrong, and ends with a status that a gate can trust."""

import json
import subprocess
import sys

import numpy as np
import pytest
from benchmarks.model_corpus.making import EVIL, name, pickled

from bezoar.cli.main import run


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "safe.npy", np.arange(3))
    (tmp_path / "evil.pkl").write_bytes(EVIL)
    (tmp_path / "odd.pkl").write_bytes(pickled(name("somebody.Model")))
    return tmp_path


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["safe.npy"], 0),
        (["evil.pkl"], 1),
        (["odd.pkl"], 3),
        (["safe.npy", "odd.pkl"], 3),
        (["odd.pkl", "evil.pkl", "safe.npy"], 1),
        (["."], 1),
        (["nowhere.pkl"], 2),
        (["safe.npy", "nowhere.pkl"], 2),
    ],
)
def test_the_status_is_that_of_the_worst_file(files, names, status, monkeypatch, capsys):
    monkeypatch.chdir(files)
    assert run(["scan", *names]) == status


def test_lines_name_the_code_the_place_and_the_reason(files, capsys):
    run(["scan", str(files / "evil.pkl"), str(files / "safe.npy")])
    assert capsys.readouterr().out.splitlines() == [
        "unsafe        evil.pkl  (pickle)",
        "  BZ601 critical: byte 32: calls posix.system('echo pwned'), which runs programs",
        "safe          safe.npy  (npy)",
        "2 files: 1 safe, 1 unsafe. `bezoar explain CODE` says what a code means.",
    ]


def test_json_is_one_object_with_everything(files, capsys):
    run(["scan", str(files), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "unsafe"
    by_path = {entry["path"].rpartition("/")[2]: entry for entry in said["files"]}
    assert {path: entry["verdict"] for path, entry in by_path.items()} == {
        "safe.npy": "safe",
        "evil.pkl": "unsafe",
        "odd.pkl": "not_analysed",
    }
    assert by_path["evil.pkl"]["reasons"] == [
        {
            "code": "BZ601",
            "severity": "critical",
            "where": "byte 32",
            "what": "calls posix.system('echo pwned'), which runs programs",
        }
    ]
    assert by_path["evil.pkl"]["bytes_read"] == len(EVIL)


def test_a_path_that_cannot_be_read_is_one_line(tmp_path, capsys):
    assert run(["scan", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_scan_imports_neither_torch_nor_a_learning_library(files):
    probe = (
        "import sys; from bezoar.cli.main import run; run(sys.argv[1:]);"
        "heavy = {'torch', 'sklearn', 'pandas', 'xgboost', 'joblib'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, "scan", str(files)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
