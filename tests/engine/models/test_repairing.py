"""A repaired copy of a model file: what is written, what is measured, and what is refused."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.core.errors import InputError
from bezoar.engine.models.audit import ModelSettings, audit_model
from bezoar.engine.models.calibrating import trained, varied
from bezoar.engine.models.repairing import repair_model
from bezoar.learn import saved
from bezoar.learn.own_model import load_network
from bezoar.learn.white_box import opened, untapped
from bezoar.mitigations.model.abl import Abl
from bezoar.mitigations.model.clp import Clp
from bezoar.mitigations.model.fine_tuning import FineTuning
from bezoar.mitigations.model.relearning import Relearning
from bezoar.mitigations.model.unlearning import Unlearning

CPU = torch.device("cpu")
TARGET = 3
BRIEF = Relearning(inputs=2_000, pressed=900, steps=500)


@pytest.fixture(scope="module")
def report(models, digits, null):
    return audit_model(models["backdoored"], digits[1], ModelSettings(null=null, controls=False, inputs=200))


@pytest.fixture(scope="module")
def repaired(models, digits, tmp_path_factory):
    """The backdoored model after relearning without any trigger, and the record of it."""
    out = tmp_path_factory.mktemp("repaired")
    before = models["backdoored"].read_bytes()
    record = repair_model(models["backdoored"], digits[1], BRIEF, name="relearning", out=out)
    assert models["backdoored"].read_bytes() == before, "what came stays as it is"
    return out, record


def flips(path, digits):
    """Share of stamped digits of other classes that are taken for the target."""
    trigger = BadNets(count=1, target=TARGET, size=2).poison(digits[0], np.random.default_rng(0)).trigger
    victims = digits[1].images[digits[1].labels != TARGET]
    model = saved.load(path, torch.device("cpu")).model
    return (model.predict(trigger(victims)).argmax(1) == TARGET).mean()


def test_a_relearned_copy_obeys_far_less_a_trigger_that_nobody_told_of(models, digits, repaired):
    """A patch of 2 x 2 on 8 x 8 pixels, and a quarter of the usual steps: .27 and .43 in two trainings."""
    assert flips(models["backdoored"], digits) >= 0.9
    assert flips(repaired[0] / "model.safetensors", digits) <= 0.6


def test_the_record_says_what_was_measured_on_inputs_that_the_repair_never_saw(digits, repaired):
    out, record = repaired
    assert json.loads((out / "repair.json").read_text()) == record
    before, after = record["accuracy"]["before"], record["accuracy"]["after"]
    assert before["n"] == after["n"] == len(digits[1]) - record["repaired_with"]
    assert after["low"] < after["value"] < after["high"]
    assert after["value"] >= before["value"] - 0.06
    assert record["sha256_before"] != record["sha256_after"]
    assert record["triggers"] == {}


def test_triggers_of_the_classes_that_a_report_calls_are_recovered_and_unlearned(models, digits, report, tmp_path):
    record = repair_model(models["backdoored"], digits[1], Unlearning(), name="unlearning", out=tmp_path, report=report)
    assert set(record["triggers"]) == {str(TARGET)}
    shares = record["triggers"][str(TARGET)]
    assert shares["before"]["value"] >= 0.8
    assert shares["after"]["value"] <= 0.1
    assert flips(tmp_path / "model.safetensors", digits) <= 0.3


def test_without_a_report_there_is_nothing_to_unlearn(models, digits, tmp_path):
    with pytest.raises(InputError, match="no trigger was recovered"):
        repair_model(models["backdoored"], digits[1], Unlearning(), name="unlearning", out=tmp_path)
    with pytest.raises(InputError, match="nothing says which rows are suspected"):
        repair_model(models["backdoored"], digits[1], Abl(), name="abl", out=tmp_path)
    assert not (tmp_path / "repair.json").exists()


def test_a_report_about_another_model_is_refused(models, digits, report, tmp_path):
    with pytest.raises(InputError, match="about another model"):
        repair_model(models["clean"], digits[1], Clp(), name="clp", out=tmp_path, report=report)


def test_a_file_that_is_not_there_or_not_safe_is_refused(digits, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        repair_model(tmp_path / "none", digits[1], Clp(), name="clp", out=tmp_path)
    (tmp_path / "bad.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match="not safe to open"):
        repair_model(tmp_path / "bad.pkl", digits[1], Clp(), name="clp", out=tmp_path)


def test_somebodys_network_is_repaired_by_its_code_and_its_weights_fit_again(code, digits, tmp_path):
    rng = np.random.default_rng(0)
    model = trained(digits[0], varied(digits[0], "conv", rng), CPU, rng, code)
    weights, out = tmp_path / "weights.safetensors", tmp_path / "out"
    safetensors.torch.save_file(untapped(opened(model)).state_dict(), weights)
    record = repair_model(weights, digits[1], FineTuning(steps=30), name="fine_tuning", out=out, code=code)
    assert record["accuracy"]["before"]["value"] >= 0.85
    assert record["accuracy"]["after"]["value"] >= record["accuracy"]["before"]["value"] - 0.05
    before, after = (load_network(code, weights=path).state_dict() for path in (weights, out / "model.safetensors"))
    assert not torch.equal(before["first.weight"], after["first.weight"])
    with pytest.raises(InputError, match="does not say how its network is built|which architecture"):
        repair_model(weights, digits[1], FineTuning(), name="fine_tuning", out=out)
