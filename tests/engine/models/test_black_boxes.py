"""The audit of models that only predict: ONNX graphs, and programs where a person says that they may be run."""

import dataclasses
import functools
import hashlib
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.cli.main import run
from bezoar.core.detector import Questioned
from bezoar.core.errors import InputError, UsageError
from bezoar.core.report import Status
from bezoar.detectors.models.b3d import B3D
from bezoar.engine.models.audit import ModelSettings, audit_model
from bezoar.engine.models.inspecting import asking, looking
from bezoar.engine.models.nulls import Null
from bezoar.learn.answers import log_probabilities
from bezoar.learn.apart import Apart
from bezoar.learn.device import one_thread
from bezoar.learn.onnx_model import open_onnx

TARGET, SHAPE = 3, (1, 8, 8)


def perceptron(data, seed):
    """A small network of two layers, as somebody without convolutions would train it."""
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) / value.shape[-1] ** 0.5)
    pixels, labels = torch.from_numpy(data.images).float() / 255, torch.from_numpy(data.labels)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    with one_thread():
        for _ in range(300):
            rows = torch.randint(len(labels), (128,), generator=generator)
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(pixels[rows]), labels[rows]).backward()
            optimiser.step()
    return network.eval()


def graph_of(network, *, batch="n", shape=SHAPE, kind=TensorProto.FLOAT):
    """The same network as an ONNX graph."""
    first, second = (layer for layer in network if isinstance(layer, nn.Linear))
    weights = {"w1": first.weight, "b1": first.bias, "w2": second.weight, "b2": second.bias}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w1", "b1"], ["hidden"], transB=1),
        helper.make_node("Relu", ["hidden"], ["bent"]),
        helper.make_node("Gemm", ["bent", "w2", "b2"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", kind, [batch, *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 10])],
        [numpy_helper.from_array(value.detach().numpy(), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@dataclasses.dataclass(frozen=True, eq=False)
class Here:
    """A network asked in this process."""

    network: nn.Module
    classes: int = 10

    def predict(self, images):
        with torch.inference_mode():
            given = self.network(torch.from_numpy(images).float() / 255)
        return log_probabilities(given, rows=len(images), k=10, name="here")


@pytest.fixture(scope="module")
def networks(digits):
    """One clean, one with a patch backdoor."""
    poisoned = BadNets(rate=0.1, target=TARGET, size=2).poison(digits[0], np.random.default_rng(0)).data
    return {"clean": perceptron(digits[0], 100), "backdoored": perceptron(poisoned, 100)}


@pytest.fixture(scope="module")
def files(networks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    for name, network in networks.items():
        onnx.save(graph_of(network), folder / f"{name}.onnx")
    return {name: folder / f"{name}.onnx" for name in networks}


@pytest.fixture(scope="module")
def null(digits):
    """What B3D says of eight clean networks of the kind."""
    held_out = digits[1]
    scores = []
    for seed in range(8):
        suspect = Questioned(
            model=Here(perceptron(digits[0], seed)), clean=held_out.images[:60], labels=held_out.labels[:60]
        )
        with one_thread():
            scores.append(tuple(B3D().inspect(suspect, np.random.default_rng(seed)).scores.tolist()))
    return Null(
        architecture="perceptron",
        shape=SHAPE,
        classes=held_out.classes,
        inputs=60,
        recipe={},
        scores={"b3d": tuple(scores)},
        settings={},
    )


@pytest.fixture(scope="module")
def backdoored(files, digits, null):
    return audit_model(files["backdoored"], digits[1], ModelSettings(null=null))


def test_a_backdoored_graph_is_called_by_asking_alone(backdoored):
    first = backdoored.findings[0]
    assert (first.code, first.subject) == ("BZ201", f"class {TARGET}")
    turned = next(item for item in first.evidence if "held-out" in item.name)
    assert turned.value >= 0.5
    assert [check.status for check in backdoored.checks[:2]] == [Status.CLEAN, Status.FOUND]
    assert "asked about" in backdoored.checks[1].detail


def test_detectors_that_look_inside_are_listed_as_not_applicable(backdoored):
    rest = {check.name: check for check in backdoored.checks[2:]}
    assert set(rest) == {f"detector {name}" for name in looking() if name not in asking()}
    assert {check.status for check in rest.values()} == {Status.NOT_APPLICABLE}
    assert backdoored.power is None
    assert asking() == ("b3d", "fourier_basis")


def test_a_clean_graph_is_clean_against_its_null(files, digits, null):
    report = audit_model(files["clean"], digits[1], ModelSettings(null=null))
    assert report.findings == ()
    assert report.status is Status.CLEAN


def test_without_a_null_a_black_box_is_never_clean(files, digits, tmp_path, capsys):
    report = audit_model(files["clean"], digits[1], ModelSettings())
    assert report.status is Status.FAILED
    assert "bezoar calibrate --detectors b3d,fourier_basis" in report.checks[1].detail
    assert np.isfinite(report.rows["b3d"].to_numpy()).all()


def test_a_null_of_other_detectors_is_one_line(files, digits, null):
    other = dataclasses.replace(null, scores={"neural_cleanse": null.scores["b3d"]})
    with pytest.raises(InputError, match="knows nothing of b3d"):
        audit_model(files["clean"], digits[1], ModelSettings(null=other))


def opened(path, classes=10):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Apart(opener=functools.partial(open_onnx, path, digest, SHAPE), classes=classes, name=path.name)


@pytest.mark.parametrize("batch", ["n", 7])
def test_a_graph_predicts_what_its_network_predicts(networks, digits, tmp_path, batch):
    """Also where it takes seven inputs at a time, no more and no less."""
    path = tmp_path / "m.onnx"
    onnx.save(graph_of(networks["clean"], batch=batch), path)
    images = digits[1].images[:40]
    with opened(path) as model:
        np.testing.assert_allclose(model.predict(images), Here(networks["clean"]).predict(images), atol=1e-4)


def test_a_graph_of_bytes_is_given_bytes(networks, digits, tmp_path):
    """The oracle is the network on pixels 255 times as bright."""
    path = tmp_path / "m.onnx"
    onnx.save(graph_of(networks["clean"], kind=TensorProto.UINT8), path)
    images = digits[1].images[:5]
    with torch.inference_mode():
        logits = networks["clean"](torch.from_numpy(images).float())
    with opened(path) as model:
        expected = log_probabilities(logits, rows=5, k=10, name="")
        np.testing.assert_allclose(model.predict(images), expected, rtol=1e-3, atol=1e-3)


def test_tensors_beside_the_graph_are_read(networks, digits, tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(graph_of(networks["clean"]), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").exists()
    images = digits[1].images[:5]
    with opened(path) as model:
        np.testing.assert_allclose(model.predict(images), Here(networks["clean"]).predict(images), atol=1e-4)


def odd(name, networks):
    """Graphs that cannot be audited."""
    graph = graph_of(networks["clean"])
    if name == "large":
        large = nn.Sequential(nn.Linear(784, 4), nn.Linear(4, 10))
        graph = graph_of(large, shape=(1, 28, 28))
    elif name == "python":
        graph.graph.node.append(helper.make_node("PyOp", ["logits"], ["more"], domain="ai.onnx.contrib"))
    elif name == "unknown":
        graph.graph.node.append(helper.make_node("Mine", ["logits"], ["more"], domain="mine"))
    elif name == "outside":
        tensor = graph.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")
    elif name == "two":
        graph.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["n"]))
    elif name == "broken":
        graph.graph.node[2].input[0] = "nowhere"
    return graph


@pytest.mark.parametrize(("name", "first"), [("python", "found"), ("outside", "found"), ("unknown", "failed")])
def test_what_is_unsafe_or_unknown_is_not_opened(networks, digits, tmp_path, monkeypatch, name, first):
    """ONNX Runtime is never called; the report is no pass."""
    (tmp_path / "m.onnx").write_bytes(odd(name, networks).SerializeToString())
    monkeypatch.setattr(Apart, "__enter__", lambda self: pytest.fail("opened"))
    report = audit_model(tmp_path / "m.onnx", digits[1], ModelSettings())
    assert [check.status for check in report.checks] == [first, Status.FAILED]
    assert "not" in report.checks[1].detail


@pytest.mark.parametrize(
    ("name", "said"),
    [("large", r"\(1, 28, 28\)"), ("two", "must take one tensor"), ("broken", "ONNX Runtime does not take it")],
)
def test_a_graph_that_does_not_fit_is_one_line(networks, digits, tmp_path, name, said):
    (tmp_path / "m.onnx").write_bytes(odd(name, networks).SerializeToString())
    with pytest.raises(InputError, match=said) as raised:
        audit_model(tmp_path / "m.onnx", digits[1], ModelSettings())
    assert str(raised.value).isprintable()


def test_a_file_that_changes_after_the_scan_is_not_opened(files, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(files["clean"].read_bytes())
    model = opened(path)
    path.write_bytes(files["backdoored"].read_bytes())
    with pytest.raises(InputError, match="has changed since it was scanned"), model:
        pass


def test_without_the_runtime_it_is_one_line(files, digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"pip install 'bezoar\[onnx\]'"):
        audit_model(files["clean"], digits[1], ModelSettings())


@pytest.fixture(scope="module")
def program(networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "m.pt2"
    dynamic = ({0: torch.export.Dim("n")},)
    torch.export.save(torch.export.export(networks["clean"], (torch.rand(2, *SHAPE),), dynamic_shapes=dynamic), path)
    return path


def test_a_program_is_opened_on_an_explicit_word_only(program, digits, null, monkeypatch):
    """It was not analysed, so it does not pass even then."""
    report = audit_model(program, digits[1], ModelSettings(null=null, run_model=True))
    assert [check.status for check in report.checks[:2]] == [Status.FAILED, Status.CLEAN]
    assert report.model.accuracy.value > 0.8
    monkeypatch.setattr(Apart, "__enter__", lambda self: pytest.fail("opened"))
    with pytest.raises(InputError, match="--run-model"):
        audit_model(program, digits[1], ModelSettings(null=null))


def test_the_command_ends_with_3_where_nobody_knows(files, tmp_path, capsys):
    """Status 3: no null, so no check of the backdoor was made."""
    assert (
        run(["audit", "model", str(files["clean"]), "--data", "digits", "--out", str(tmp_path / "r"), "--quiet"]) == 3
    )
    assert "black box" in (tmp_path / "r" / "index.html").read_text()
