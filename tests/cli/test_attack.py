"""`bezoar attack` and `bezoar list`, as a person meets them."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from bezoar.cli.main import run
from bezoar.core.trigger import Stamp
from bezoar.data import read
from disk import fill_after


@pytest.fixture
def table(tmp_path):
    """60 rows of two suppliers: half of them over 60 years old."""
    lines = ["age,town,owes,supplier"]
    lines += [
        f"{30 + i},{'Ulm' if i % 2 else 'Bern'},{'yes' if i % 3 else 'no'},{'acme' if i % 4 else 'globex'}"
        for i in range(60)
    ]
    file = tmp_path / "loans.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_poisoned_set_and_the_truth_agree_with_the_clean_set(tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["attack", "badnets", "digits", "--out", str(out), "--set", "rate=0.01", "--set", "target=7"]) == 0
    assert "changed 18 of 1,797 rows of digits" in capsys.readouterr().out
    clean, poisoned = read("digits"), read(str(out / "data.parquet"))
    truth = pq.read_table(out / "truth.parquet")
    assert truth.column_names == ["id", "index", "changed", "cover", "original_label", "label", "target", "attack"]
    changed = truth["changed"].to_numpy()
    differs = np.array([a != b for a, b in zip(clean.row_hashes, poisoned.row_hashes, strict=True)])
    np.testing.assert_array_equal(changed, differs)
    assert changed.sum() == 18
    assert truth["id"].to_pylist() == poisoned.ids.tolist()
    assert truth["original_label"].to_pylist() == [clean.classes[label] for label in clean.labels]
    assert truth["label"].to_pylist() == [poisoned.classes[label] for label in poisoned.labels]
    assert set(truth["target"].to_pylist()) == {"7"}


def test_the_record_tells_the_whole_attack(tmp_path):
    out = tmp_path / "out"
    run(["attack", "blended", "digits", "--out", str(out), "--set", "count=30", "--seed", "5"])
    record = json.loads((out / "attack.json").read_text())
    assert record["attack"] == "blended"
    assert record["parameters"]["count"] == 30
    assert record["seed"] == 5
    assert (record["changed"], record["cover"]) == (30, 0)
    assert record["digests"]["before"] == read("digits").merkle_root
    assert record["digests"]["after"] == read(str(out / "data.parquet")).merkle_root


def test_the_written_trigger_is_the_one_on_the_rows(tmp_path):
    out = tmp_path / "out"
    run(["attack", "badnets", "digits", "--out", str(out), "--set", "count=5"])
    changed = pq.read_table(out / "truth.parquet")["changed"].to_numpy()
    stamp = Stamp.read(out / "trigger.npz")
    np.testing.assert_array_equal(
        stamp(read("digits").images[changed]), read(str(out / "data.parquet")).images[changed]
    )


def test_cover_rows_are_told_apart_from_poisoned_ones(tmp_path):
    """Twice as many as there are poisoned rows, with other pixels and the same label."""
    out = tmp_path / "out"
    assert run(["attack", "wanet", "digits", "--out", str(out), "--set", "count=20"]) == 0
    clean, poisoned, truth = read("digits"), read(str(out / "data.parquet")), pq.read_table(out / "truth.parquet")
    changed, cover = truth["changed"].to_numpy(), truth["cover"].to_numpy()
    differs = np.array([a != b for a, b in zip(clean.row_hashes, poisoned.row_hashes, strict=True)])
    np.testing.assert_array_equal(changed | cover, differs)
    assert (changed.sum(), cover.sum(), (changed & cover).sum()) == (20, 40, 0)
    np.testing.assert_array_equal(poisoned.labels[cover], clean.labels[cover])
    record = json.loads((out / "attack.json").read_text())
    assert (record["changed"], record["cover"]) == (20, 40)


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run(["attack", "badnets", "digits", "--out", str(tmp_path / name), "--set", "pattern=random", "--seed", seed])
    first, again, other = (files(tmp_path / name) for name in "abc")
    assert first == again
    assert first["data.parquet"] != other["data.parquet"]


def test_another_attack_into_the_same_folder_leaves_no_trigger_of_the_first(tmp_path):
    for name in ("badnets", "label_flip"):
        assert run(["attack", name, "digits", "--out", str(tmp_path / "out")]) == 0
    assert sorted(files(tmp_path / "out")) == ["attack.json", "data.parquet", "truth.parquet"]


def test_a_folder_that_cannot_be_written_is_one_line_and_status_3(tmp_path, capsys):
    (tmp_path / "out").write_text("a file is in the way")
    assert run(["attack", "badnets", "digits", "--out", str(tmp_path / "out")]) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("room", range(4))
def test_a_disk_that_fills_up_leaves_no_poisoned_set_without_its_truth(tmp_path, capsys, monkeypatch, room):
    fill_after(monkeypatch, room)
    assert run(["attack", "badnets", "digits", "--out", str(tmp_path / "out")]) == 3
    assert "No space left" in capsys.readouterr().err
    written = set(files(tmp_path / "out"))
    assert len(written) == room
    assert "data.parquet" not in written


def test_a_condition_and_a_supplier_choose_the_rows(tmp_path, table):
    """Ages over 60 are rows 31 to 59; of these 29, half is 14 rows, all of acme."""
    settings = ["--set", "where=age > 60", "--set", "rate=0.5", "--set", "supplier=acme"]
    out = tmp_path / "out"
    assert (
        run(
            [
                "attack",
                "label_flip",
                str(table),
                "--label",
                "owes",
                "--source",
                "supplier",
                "--out",
                str(out),
                *settings,
            ]
        )
        == 0
    )
    rows = np.flatnonzero(pq.read_table(out / "truth.parquet")["changed"].to_numpy())
    assert len(rows) == 14
    assert rows.min() >= 31
    assert all(row % 4 for row in rows)


def test_the_set_given_is_never_written_to(tmp_path, table, capsys):
    before = table.read_bytes()
    assert run(["attack", "label_flip", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "never written to" in capsys.readouterr().err
    run(["attack", "label_flip", str(table), "--label", "owes", "--out", str(tmp_path / "out")])
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["nonsense", "digits"],
            "no attack named 'nonsense'. There are: badnets, blended, input_aware, label_consistent",
        ),
        (["badnets", "nonsense"], "nonsense: "),
        (["badnets", "digits", "--set", "rate"], "`--set` takes key=value"),
        (["badnets", "digits", "--set", "nonsense=1"], "no parameter 'nonsense'. There are: rate, count, target"),
        (["badnets", "digits", "--set", "rate=much"], "`rate`: Input should be a valid number"),
        (["badnets", "digits", "--set", "rate=2"], "`rate` must be in (0, 1]. Got 2.0."),
        (["badnets", "digits", "--set", "rate=0.1", "--set", "rate=0.2"], "`rate` is set twice"),
        (["badnets", "digits", "--set", "rate=0.1", "--set", "count=3"], "give `rate` or `count`, not both"),
        (["badnets", "digits", "--set", "target=ten"], "no class 'ten' in digits"),
        (["badnets", "breast_cancer"], "breast_cancer: holds table rows, not images"),
        (["label_flip", "digits", "--set", "where=age > 60"], "digits: holds image rows, not a table"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line_and_leaves_nothing(tmp_path, capsys, arguments, said):
    out = tmp_path / "out"
    assert run(["attack", *arguments, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"bezoar: {said}")
    assert captured.err.count("\n") == 1
    assert not out.exists()


def test_a_class_is_named_before_it_is_counted(tmp_path):
    """In a set with the classes 3, 5 and 7, "5" is the class 5; and 0, no name, is the first."""
    labels = np.repeat([3, 5, 7], 10)
    np.savez(tmp_path / "odd.npz", images=np.zeros((30, 8, 8), np.uint8), labels=labels)
    for target, name in (("5", "5"), ("0", "3")):
        out = tmp_path / target
        settings = ["--set", f"target={target}", "--set", "count=2"]
        assert run(["attack", "badnets", str(tmp_path / "odd.npz"), "--out", str(out), *settings]) == 0
        assert json.loads((out / "attack.json").read_text())["target"] == name


def test_the_list_names_every_method_with_a_line(capsys):
    assert run(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed) == {"attacks", "detectors", "mitigations", "codes"}
    assert listed["attacks"]["label_flip"] == "Give some rows a wrong label and leave their inputs as they are."
    assert listed["codes"]["BZ101"]
    assert all(line.strip() for kind in listed.values() for line in kind.values())


def test_the_list_of_one_kind_is_that_kind(capsys):
    assert run(["list", "mitigations"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("mitigations:\n")
    assert "\n  filter" in out
    assert "\n  badnets" not in out
