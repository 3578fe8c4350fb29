"""`bezoar audit model` on what it cannot audit: one clear line, or a report that says `failed`; never clean."""

import json

import numpy as np
import onnx
import pytest
import safetensors
import safetensors.torch
import torch
from onnx import TensorProto, helper, numpy_helper

from bezoar.cli.main import run
from bezoar.core.data import Dataset
from bezoar.data.writing import write
from bezoar.learn import saved
from bezoar.learn.networks import build
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel

NETWORKS = """
import multiprocessing
import os
import time

import torch
from torch import nn


class Honest(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, pixels):
        return self.layer(pixels.flatten(1))


class Hanging(Honest):
    def forward(self, pixels):
        while True:
            time.sleep(1)


class Late(Honest):
    def forward(self, pixels):
        if multiprocessing.parent_process() is None:
            time.sleep(600)
        return super().forward(pixels)


class Leaving(Honest):
    def forward(self, pixels):
        os._exit(0)


class Raising(Honest):
    def forward(self, pixels):
        raise RuntimeError("two\\nlines")


class Undefined(Honest):
    def forward(self, pixels):
        return super().forward(pixels) * torch.nan


class Wide(Honest):
    def forward(self, pixels):
        return self.layer(pixels.flatten(1)).repeat(1, 2)
"""


@pytest.fixture
def audit(tmp_path, capsys):
    """Runs the command: its status, what it says on standard error, and the checks of its report where there is one."""

    def command(model, *more, data="digits"):
        out = tmp_path / "report"
        status = run(["audit", "model", str(model), "--data", str(data), "--out", str(out), "--quiet", *more])
        said = capsys.readouterr()
        assert said.out == ""
        written = out / "report.json"
        checks = json.loads(written.read_text())["checks"] if written.exists() else []
        return status, said.err, {check["name"]: check for check in checks}

    return command


@pytest.fixture
def network(tmp_path):
    """A file that Bezoar saved, and a way to change what is in it."""
    model = NetworkModel(
        network=build("conv", channels=1, classes=10, side=8),
        mean=torch.zeros(1),
        std=torch.ones(1),
        recipe=Recipe(architecture="conv"),
        size=(8, 8),
        device=torch.device("cpu"),
    )
    path = saved.save(tmp_path / "model.safetensors", model, tuple("0123456789"))
    with safetensors.safe_open(path, framework="pt") as file:
        card, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    def write(change):
        changed = dict(tensors)
        change(changed)
        safetensors.torch.save_file(changed, path, card)
        return path

    return write


def first(tensors):
    return next(name for name in tensors if tensors[name].ndim == 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop(first(tensors)), "is missing"),
        (lambda tensors: tensors.update({"network.more": torch.zeros(2)}), "has no place"),
        (lambda tensors: tensors.update({first(tensors): torch.zeros(3, 1, 3, 3)}), "must be"),
        (lambda tensors: tensors[first(tensors)].fill_(torch.nan), "not finite"),
        (lambda tensors: tensors[first(tensors)].fill_(torch.inf), "not finite"),
        (lambda tensors: tensors.update(std=torch.zeros(1)), "`std` must be"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(network, audit, change, said):
    status, line, checks = audit(network(change))
    assert (status, checks) == (2, {})
    assert said in line
    assert line.count("\n") == 1


def test_a_network_that_learned_nothing_allows_no_claim(network, audit):
    status, line, checks = audit(network(lambda tensors: None))
    assert (status, checks) == (2, {})
    assert "no better than a guess" in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "does not say"), (b"\0" * 100, "does not say"), (b"\x80\x04.", "does not say")],
)
def test_what_holds_no_network_is_one_line(tmp_path, audit, content, said):
    (tmp_path / "model.pt").write_bytes(content)
    status, line, _ = audit(tmp_path / "model.pt")
    assert status == 2
    assert said in line
    assert line.count("\n") == 1


def test_a_folder_is_no_model(tmp_path, audit):
    status, line, _ = audit(tmp_path)
    assert (status, line.count("\n")) == (2, 1)


@pytest.fixture
def code(tmp_path, monkeypatch):
    """Weights of a network, and the folder of its code on the path, also of other processes."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "odd_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(str(folder))
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"layer.weight": torch.eye(10, 64), "layer.bias": torch.zeros(10)}, weights)
    return weights


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Hanging", "model weights.safetensors hangs: 100 inputs took more than 1 seconds"),
        ("Late", "the network hangs: one batch took more than 1 seconds"),
        ("Leaving", "model weights.safetensors crashes: its process ended on 100 inputs"),
    ],
)
def test_code_that_hangs_or_crashes_ends_as_failed(code, audit, name, said):
    """Status 3, with a report: the file was fine, and nothing can be said of the model."""
    status, line, checks = audit(code, "--code", f"odd_networks:{name}", "--time-limit", "1")
    assert (status, line) == (3, "")
    assert checks["model file safe to open"]["status"] == "clean"
    assert checks["backdoor in the model"]["status"] == "failed"
    assert said in checks["backdoor in the model"]["detail"]


def test_a_repair_of_code_that_hangs_is_one_line_and_writes_nothing(code, audit, tmp_path, capsys):
    out = tmp_path / "repaired"
    words = ["repair", "fine_tuning", str(code), "--data", "digits", "--out", str(out)]
    status = run([*words, "--code", "odd_networks:Hanging", "--time-limit", "1"])
    line = capsys.readouterr().err
    assert (status, line.count("\n")) == (3, 1)
    assert "hangs: 60 inputs took more than 1 seconds" in line
    assert not (out / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Raising", "RuntimeError: two lines"),
        ("Undefined", "NaN or infinity for 100 of 100 rows"),
        ("Wide", "(100, 20)"),
        ("Missing", "cannot be imported"),
        ("Honest", "no better than a guess"),
    ],
)
def test_code_that_does_not_predict_is_one_line(code, audit, name, said):
    status, line, checks = audit(code, "--code", f"odd_networks:{name}")
    assert (status, checks) == (2, {})
    assert said in line
    assert line.count("\n") == 1


def endless(path):
    """A graph that first counts to the largest number there is."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes on"]),
            helper.make_node("Cos", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["n", 10]),
        ],
        [
            helper.make_tensor_value_info("goes on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["n", 10]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pixels"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
            helper.make_node("Loop", ["most", "", "scores"], ["answer"], body=body),
        ],
        "endless",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 10])],
        [
            numpy_helper.from_array(np.eye(64, 10, dtype=np.float32), "weights"),
            numpy_helper.from_array(np.array(2**62, np.int64), "most"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_a_graph_without_end_ends_as_failed(tmp_path, audit):
    status, _, checks = audit(endless(tmp_path / "model.onnx"), "--time-limit", "1")
    assert status == 3
    assert checks["model file safe to open"]["status"] == "clean"
    assert "model model.onnx hangs: 1,024 inputs took more than 1 seconds" in checks["backdoor in the model"]["detail"]


@pytest.mark.parametrize("rows", [0, 1, 39])
def test_too_few_inputs_allow_no_claim(network, audit, tmp_path, rows):
    data = Dataset(
        inputs=np.zeros((rows, 1, 8, 8), np.uint8),
        labels=np.arange(rows, dtype=np.int64) % 10,
        classes=tuple("0123456789"),
        ids=np.arange(rows).astype(np.str_),
    )
    folder = tmp_path / "few"
    write(data, folder)
    status, line, checks = audit(network(lambda tensors: None), data=folder)
    assert (status, checks) == (2, {})
    assert line.count("\n") == 1


def test_a_time_limit_must_be_a_time(network, audit):
    status, line, _ = audit(network(lambda tensors: None), "--time-limit", "0")
    assert status == 2
    assert "--time-limit" in line
