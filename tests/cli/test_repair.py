"""`bezoar attack`, `audit`, `evaluate` and `repair`, one after another, as a person would."""

import json

import pyarrow.parquet as pq
import pytest
import torch

from bezoar.cli.main import run
from bezoar.data import read
from bezoar.engine import audit as engine
from bezoar.learn import saved
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train

FAST = ("--no-controls", "--detectors", "spectral_signatures,mahalanobis", "--quiet")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Digits with 54 stamped rows, and the audit's report on them."""
    root = tmp_path_factory.mktemp("story")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "default_recipe", lambda rows: Recipe(epochs=6, batch_size=32))
        assert run(["attack", "badnets", "digits", "--out", str(root / "bad"), "--set", "rate=0.03"]) == 0
        assert run(["audit", "data", str(root / "bad"), "--out", str(root / "report"), *FAST]) == 1
    return root


def test_the_evaluation_finds_the_planted_rows_found(story, capsys):
    truth = str(story / "bad" / "truth.parquet")
    assert run(["evaluate", str(story / "report"), "--truth", truth, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"tpr", "fpr", "precision", "auroc", "ap"}
    assert figures["tpr"]["value"] >= 0.95
    assert figures["fpr"]["value"] <= 0.01


@pytest.mark.parametrize("name", ["filter", "relabel", "quarantine"])
def test_a_repair_writes_a_set_without_the_flagged_rows_and_says_so(story, tmp_path, capsys, name):
    out = tmp_path / "out"
    before = (story / "bad" / "data.parquet").read_bytes()
    assert (
        run(["repair", name, str(story / "bad"), "--report", str(story / "report"), "--out", str(out), "--json"]) == 0
    )
    record = json.loads(capsys.readouterr().out)
    assert record["repair"] == name
    assert read(out).merkle_root == record["merkle_root_after"]
    rows = pq.read_table(story / "report" / "rows.parquet").to_pylist()
    tampered = {row["id"] for row in rows if row["code"] == "BZ101"}
    assert not tampered & set(read(out).ids)
    assert (story / "bad" / "data.parquet").read_bytes() == before


def test_the_repaired_set_audits_clean(story, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "default_recipe", lambda rows: Recipe(epochs=6, batch_size=32))
    arguments = [str(story / "bad"), "--report", str(story / "report"), "--out", str(tmp_path / "mended")]
    assert run(["repair", "relabel", *arguments]) == 0
    assert run(["audit", "data", str(tmp_path / "mended"), "--out", str(tmp_path / "again"), *FAST]) == 0


def test_a_second_repair_into_the_same_folder_leaves_nothing_of_the_first(story, tmp_path):
    arguments = [str(story / "bad"), "--report", str(story / "report"), "--out", str(tmp_path)]
    assert run(["repair", "quarantine", *arguments]) == 0
    assert (tmp_path / "quarantine" / "reasons.parquet").exists()
    assert run(["repair", "filter", *arguments]) == 0
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"data.parquet", "repair.json"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pray", "{bad}", "--report", "{report}"], "no mitigation named 'pray'. There are: abl, anp, clp, filter"),
        (["filter", "digits", "--report", "{report}"], "digits: the report is about other rows"),
        (["filter", "{bad}", "--report", "nowhere"], "nowhere: no report can be read here"),
        (["filter", "nowhere", "--report", "{report}"], "nowhere: no such file"),
        (["filter", "{bad}", "--report", "{report}", "--set", "x=1"], "no parameter 'x'"),
    ],
)
def test_a_repair_that_cannot_be_made_is_one_line_and_writes_no_set(story, tmp_path, capsys, arguments, said):
    filled = [part.format(bad=story / "bad", report=story / "report") for part in arguments]
    assert run(["repair", *filled, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"bezoar: {said}")
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_repair_into_the_set_itself_is_refused(story, capsys):
    arguments = [str(story / "bad"), "--report", str(story / "report"), "--out", str(story / "bad")]
    assert run(["repair", "filter", *arguments]) == 2
    assert "never written to" in capsys.readouterr().err


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network of digits."""
    data = read("digits")
    recipe = Recipe(epochs=3, batch_size=64)
    trained, _ = train(data.images[:900], data.labels[:900], 10, recipe, torch.Generator().manual_seed(0))
    return saved.save(tmp_path_factory.mktemp("model") / "model.safetensors", trained, data.classes)


BRIEFLY = ("--set", "steps=100", "--set", "inputs=1000", "--set", "pressed=300")


@pytest.mark.parametrize("name", ["relearning", "auto"])
def test_a_model_is_repaired_with_clean_inputs_and_the_result_is_told(model, tmp_path, capsys, name):
    """Without a report there is no trigger to unlearn, so the end is learnt anew."""
    before = model.read_bytes()
    assert run(["repair", name, str(model), "--data", "digits", "--out", str(tmp_path), *BRIEFLY]) == 0
    told = capsys.readouterr().out
    assert "repaired by relearning" in told
    assert "right" in told
    assert "95 % interval" in told
    assert model.read_bytes() == before
    record = json.loads((tmp_path / "repair.json").read_text())
    assert record["repair"] == "relearning"
    assert saved.load(tmp_path / "model.safetensors", torch.device("cpu")).classes == tuple("0123456789")


def test_a_repaired_model_never_takes_the_place_of_the_one_that_came(model, capsys):
    before = model.read_bytes()
    assert run(["repair", "relearning", str(model), "--data", "digits", "--out", str(model.parent), *BRIEFLY]) == 2
    assert "never written to" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_repairs_of_models_and_of_sets_are_told_apart(model, tmp_path, capsys):
    for name in ("relearning", "auto"):
        assert run(["repair", name, str(model), "--out", str(tmp_path)]) == 2
        assert f"{name} repairs a model with clean inputs. Name them with --data" in capsys.readouterr().err
    assert run(["repair", "filter", "digits", "--data", "digits", "--out", str(tmp_path)]) == 2
    assert "for repairs of models" in capsys.readouterr().err
