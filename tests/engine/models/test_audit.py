"""The audit of a model, from a file to a report."""

import dataclasses

import numpy as np
import pytest
import torch

import bezoar
from bezoar.core.errors import InputError
from bezoar.core.report import Certainty, Status
from bezoar.engine.models import nulls
from bezoar.engine.models.audit import ModelSettings, audit_model
from bezoar.learn import saved
from bezoar.learn.networks import build
from bezoar.report import FILES, document, write

TARGET = 3
"""The class that `models` in conftest is backdoored towards."""


def audited(models, digits, null, name, **settings):
    return audit_model(
        models[name], digits[1], ModelSettings(null=null, **{"controls": False, "inputs": 200, **settings})
    )


@pytest.fixture(scope="module")
def backdoored(models, digits, null):
    return audited(models, digits, null, "backdoored", controls=True)


def test_a_backdoored_model_is_called_with_its_target_and_its_trigger(backdoored):
    """The recovered trigger turns at least 80 % of inputs that the search never saw."""
    first = backdoored.findings[0]
    assert first.code == "BZ201"
    assert first.subject == f"class {TARGET}"
    assert first.certainty is Certainty.CONFIRMED
    turned = next(item for item in first.evidence if "held-out" in item.name)
    assert turned.value >= 0.8
    assert first.pictures
    assert backdoored.checks[0].status is Status.CLEAN, "the file is safe to open"
    assert backdoored.checks[1].status is Status.FOUND


def test_a_clean_model_of_the_same_recipe_is_clean(models, digits, null):
    report = audited(models, digits, null, "clean")
    assert report.findings == ()
    assert [check.status for check in report.checks] == [Status.CLEAN, Status.CLEAN]


def test_the_table_has_a_row_for_each_class(backdoored, null):
    rows = backdoored.rows
    assert rows["id"].to_pylist() == list("0123456789")
    assert {"index", "p_value", "deviations", "flagged", "code", *null.scores} <= set(rows.column_names)
    assert rows["flagged"].to_pylist()[TARGET]


def test_an_audit_tells_its_power_by_copies_that_it_taught(backdoored):
    assert {row.kind for row in backdoored.power} <= {"patch backdoor", "blended backdoor"}
    assert all(0 <= row.caught <= row.spiked for row in backdoored.power)
    assert sum(row.spiked for row in backdoored.power) >= 2


def test_the_report_is_written_in_every_format_and_read_back(backdoored, tmp_path):

    write(backdoored, tmp_path)
    again = document.load(tmp_path)
    assert document.dump(again) == document.dump(backdoored)
    page = (tmp_path / "index.html").read_text()
    assert "backdoored.safetensors" in page
    assert "taught" in page
    assert len(list(tmp_path.iterdir())) == len(FILES)


def test_the_same_seed_gives_the_same_verdict(models, digits, null, backdoored):
    again = audited(models, digits, null, "backdoored")
    assert again.rows.equals(backdoored.rows)


def test_without_a_null_nothing_is_called_clean(models, digits):
    """An architecture that nobody calibrated: the check has failed, and a gate does not pass on it."""
    path = models["clean"].with_name("rare.safetensors")
    read = saved.load(models["clean"], torch.device("cpu"))
    saved.save(path, read.model, tuple(f"digit {name}" for name in read.classes))
    settings = ModelSettings(controls=False, detectors=("maximum_margin",), null=None)
    clean = dataclasses.replace(digits[1], classes=tuple(f"digit {name}" for name in digits[1].classes))
    report = audit_model(path, clean, settings)
    # The null that is shipped for the architecture is of other classes: it is used, and said to be.
    if report.checks[1].status is Status.FAILED:
        assert "calibrate" in report.checks[1].detail
    else:
        assert "other classes" in report.checks[1].detail


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.take(np.arange(30)), "too few"),
        (lambda data: dataclasses.replace(data, labels=(data.labels + 1) % 10), "no better than a guess"),
        (lambda data: dataclasses.replace(data, classes=(*data.classes[:9], "ten")), "'ten'"),
    ],
)
def test_inputs_that_allow_no_claim_are_refused_in_one_line(models, digits, null, change, message):
    with pytest.raises(InputError, match=message) as raised:
        audit_model(models["clean"], change(digits[1]), ModelSettings(null=null, controls=False))
    assert "\n" not in str(raised.value)


def test_classes_are_matched_by_name(models, digits, null):
    """Inputs that list their classes in another order are the same inputs."""
    order = np.roll(np.arange(10), 3)
    place = np.argsort(order)
    turned = dataclasses.replace(
        digits[1], classes=tuple(digits[1].classes[i] for i in order), labels=place[digits[1].labels]
    )
    report = audit_model(models["backdoored"], turned, ModelSettings(null=null, controls=False, inputs=200))
    assert report.findings[0].subject == f"class {TARGET}"
    assert report.model.accuracy.value > 0.9


def test_a_file_that_runs_code_is_reported_and_not_opened(tmp_path, digits):
    """What loading would do is found; the model in it is not examined, which is no pass."""
    path = tmp_path / "model.pt"
    path.write_bytes(b"cposix\nsystem\n(S'echo owned'\ntR.")
    report = audit_model(path, digits[1], ModelSettings())
    assert report.findings[0].code == "BZ601"
    assert [check.status for check in report.checks] == [Status.FOUND, Status.FAILED]
    write(report, tmp_path / "report")
    assert "posix" in (tmp_path / "report" / "index.html").read_text()


def test_weights_of_a_torch_checkpoint_are_read_without_loading_it(models, digits, null, tmp_path):
    """A pickled state dict beside the code of its network: tensors are taken out, nothing is unpickled."""
    read = saved.load(models["backdoored"], torch.device("cpu"))
    path = tmp_path / "checkpoint.pt"
    torch.save(OwnNet().state_dict() | {f"net.{k}": v for k, v in read.model.network.state_dict().items()}, path)
    settings = ModelSettings(code=f"{__name__}:OwnNet", null=null, controls=False, inputs=200)
    report = audit_model(path, digits[1], settings)
    assert report.findings[0].subject == f"class {TARGET}"
    assert report.model.form != "safetensors"


class OwnNet(torch.nn.Module):
    """A network as its owner wrote it: takes pixels in [0, 1]."""

    def __init__(self):
        super().__init__()
        self.net = build("conv", channels=1, classes=10, side=8)

    def forward(self, pixels):
        # The fixture's digits have about this mean and spread.
        return self.net((pixels - 0.305) / 0.376)


def test_what_is_no_model_is_refused_in_one_line(tmp_path, digits):
    path = tmp_path / "notes.txt"
    path.write_text("no model")
    with pytest.raises(InputError, match="--code"):
        audit_model(path, digits[1], ModelSettings())
    with pytest.raises(InputError, match="no such file"):
        audit_model(tmp_path / "none.safetensors", digits[1], ModelSettings())


def test_the_python_door_gives_the_same_report(models, digits, null, tmp_path):
    file = nulls.write(tmp_path / "null.json", null)
    asked = {"controls": False, "detectors": ["maximum_margin"], "inputs": 200}
    report = bezoar.audit_model(models["clean"], digits[1], null=file, **asked)
    assert report.rows.equals(audited(models, digits, null, "clean", detectors=("maximum_margin",)).rows)
