"""Models that users bring."""

import pickle
import textwrap

import numpy as np
import pyarrow as pa
import pytest
import safetensors.torch
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from bezoar.core.errors import InputError
from bezoar.core.model import Model
from bezoar.learn.own_model import load_model, log_probabilities

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4), dtype=np.uint8)
PROBABILITIES = np.random.default_rng(1).dirichlet(np.ones(3), 5)


class Net(nn.Module):
    """Three classes of 4 x 4 images."""

    def __init__(self):
        super().__init__()
        self.flat = nn.Flatten()
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(16, 3)

    def forward(self, images):
        return self.head(self.drop(self.flat(images)))


def predict(function, k=3):
    return load_model(function, weights=None, classes=k).predict(IMAGES)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module on the path, made from source text."""

    def make(name, source):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return make


@pytest.fixture
def weights(tmp_path):
    """Weights for the class above, and the network that they came from."""
    torch.manual_seed(3)
    network = Net().eval()
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_model(network, str(path))
    return path, network


@pytest.mark.parametrize(
    "form",
    [
        lambda p: p,
        lambda p: p.astype(np.float32),
        lambda p: p.astype(np.float16),
        np.log,
        lambda p: np.log(p) + 7.0,
        lambda p: np.log(p) + np.arange(5)[:, None],
        lambda p: p.tolist(),
        lambda p: torch.from_numpy(p),
        lambda p: torch.from_numpy(np.log(p)).requires_grad_(),
        lambda p: torch.from_numpy(p).bfloat16(),
    ],
    ids=[
        "probabilities",
        "float32",
        "float16",
        "log-probabilities",
        "logits",
        "logits shifted by row",
        "lists",
        "tensor",
        "tensor with gradient",
        "bfloat16",
    ],
)
def test_probabilities_log_probabilities_and_logits_become_the_same(form):
    rounding = 0.02 if "bfloat16" in repr(form(PROBABILITIES)) else 2e-3
    found = predict(lambda images: form(PROBABILITIES))
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.exp(found), PROBABILITIES, atol=rounding)


@pytest.mark.parametrize("answer", [np.eye(3)[[0, 1, 2, 0, 1]], np.log(np.eye(3)[[0, 1, 2, 0, 1]] + 1e-300)])
def test_certain_answers_stay_finite(answer):
    found = predict(lambda images: answer)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(np.exp(found), np.eye(3)[[0, 1, 2, 0, 1]], atol=1e-6)


def test_minus_infinity_is_a_log_probability():
    answer = np.full((5, 3), -np.inf)
    answer[:, 1] = 0
    found = predict(lambda images: answer)
    assert np.isfinite(found).all()
    assert (found[:, 1] == 0).all()


def test_one_row_of_logits_that_sums_to_one_does_not_make_all_probabilities():
    logits = np.array([[0.2, 0.3, 0.5], [4.0, 0.0, -2.0]])
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(log_probabilities(logits, rows=2, k=3, name="m"), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.ones((5, 4)), r"must answer with shape \(5, 3\), a column for each class of the set. Got \(5, 4\)"),
        (np.ones((4, 3)), r"Got \(4, 3\)"),
        (np.ones(5), r"Got \(5,\)"),
        (np.full((5, 3), np.nan), "NaN or infinity for 5 of 5 rows"),
        (np.where(np.eye(5, 3) > 0, np.inf, 0), "NaN or infinity for 3 of 5 rows"),
        (np.full((5, 3), -np.inf), "NaN or infinity for 5 of 5 rows"),
        (None, "must answer with"),
        ("cat", "must answer with an array of numbers. Got str"),
        ({"logits": 1}, "must answer with an array of numbers. Got dict"),
        ([[1, 2], [3]], "must answer with an array of numbers. Got list"),
    ],
)
def test_answers_of_no_use_are_one_clear_line(answer, message):
    with pytest.raises(InputError, match=message) as caught:
        predict(lambda images: answer)
    assert "\n" not in str(caught.value)


def test_functions_get_the_images_as_they_are():
    seen = []

    def remember(images):
        seen.append(images)
        return PROBABILITIES

    predict(remember)
    assert seen[0] is IMAGES


def test_tables_pass_through_to_functions():
    table = pa.table({"x": [0.25, 0.5]})

    def answer(rows):
        x = rows["x"].to_numpy()
        return np.column_stack([x, 1 - x])

    found = load_model(answer, weights=None, classes=2).predict(table)
    np.testing.assert_allclose(np.exp(found), [[0.25, 0.75], [0.5, 0.5]], atol=1e-6)


def test_a_model_keeps_the_promise_of_models():
    assert isinstance(load_model(lambda images: PROBABILITIES, weights=None, classes=3), Model)


def test_a_function_that_fails_is_named_with_its_error():
    def broken(images):
        raise KeyError("no such\nlayer")

    with pytest.raises(InputError, match="broken fails on 5 rows: KeyError: .*no such") as caught:
        predict(broken)
    assert "\n" not in str(caught.value)


def test_networks_get_floats_up_to_one_in_evaluation_mode_without_gradients():
    seen = []

    class Spy(Net):
        def forward(self, images):
            seen.append((images.dtype, float(images.max()), self.training, torch.is_grad_enabled()))
            return super().forward(images)

    images = np.full((300, 1, 4, 4), 255, np.uint8)
    assert load_model(Spy().train(), weights=None, classes=3).predict(images).shape == (300, 3)
    assert seen == [(torch.float32, 1.0, False, False)] * 2
    assert load_model(Net(), weights=None, classes=3).predict(images[:0]).shape == (0, 3)


@pytest.mark.parametrize("spec", [Net, lambda: Net()], ids=["class", "function that makes it"])
def test_weights_are_put_into_a_network(weights, spec):
    path, network = weights
    found = load_model(spec, weights=path, classes=3).predict(IMAGES)
    with torch.inference_mode():
        expected = torch.log_softmax(network(torch.from_numpy(IMAGES) / 255), dim=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


SOURCE = """
    import numpy as np
    import torch

    def function(images):
        return np.full((len(images), 3), 1 / 3)

    class Predictor:
        def predict(self, images):
            return function(images)

    class Namespace:
        predictor = Predictor()

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(16, 3)
            torch.nn.init.zeros_(self.head.weight)
            torch.nn.init.zeros_(self.head.bias)

        def forward(self, images):
            return self.head(images.flatten(1))

    def make():
        return Net()

    net = Net()
    number = 3
    needy = lambda size, *, depth: None

    class Needy(Net):
        def __init__(self, size):
            super().__init__()
"""


@pytest.mark.parametrize("attribute", ["function", "Predictor", "Namespace.predictor", "Net", "make", "net"])
def test_models_are_imported_by_name(module, attribute):
    name = module("good_model", SOURCE)
    found = load_model(f"{name}:{attribute}", weights=None, classes=3).predict(IMAGES)
    np.testing.assert_allclose(np.exp(found), 1 / 3, atol=1e-6)


def test_objects_that_predict_are_asked_for_what_they_predict():
    """An object with `predict` alone; scikit-learn's gives classes, so a function around `predict_proba` is the way."""
    fitted = LogisticRegression().fit(IMAGES.reshape(5, -1), [0, 1, 2, 0, 1])
    with pytest.raises(InputError, match=r"fails on 5 rows: ValueError"):
        predict(fitted)
    found = predict(lambda images: fitted.predict_proba(images.reshape(len(images), -1)))
    np.testing.assert_allclose(np.exp(found), fitted.predict_proba(IMAGES.reshape(5, -1)), atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "package.module:attribute. Got ''"),
        ("bad_model", "package.module:attribute. Got 'bad_model'"),
        (":Net", "package.module:attribute"),
        ("no.such.module:Net", "no.such.module:Net cannot be imported .*ModuleNotFoundError"),
        ("..relative:Net", "cannot be imported"),
        ("bad_model:absent", "bad_model:absent cannot be imported .*absent"),
        ("bad_model:number", "must be a function, a torch.nn.Module or an object with `predict`. Got int"),
        ("bad_model:Needy", "cannot be made by calling it without arguments: TypeError"),
    ],
)
def test_names_that_lead_nowhere_are_one_clear_line(module, spec, message):
    module("bad_model", SOURCE)
    with pytest.raises(InputError, match=message) as caught:
        load_model(spec, weights=None, classes=3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", ["1 / 0", "def broken(:", "raise RuntimeError('two\\nlines')", "import not_there"])
def test_a_module_that_fails_to_import_is_one_clear_line(module, body):
    name = module(f"failing_model_{abs(hash(body))}", body)
    with pytest.raises(InputError, match="cannot be imported") as caught:
        load_model(f"{name}:net", weights=None, classes=3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.pkl", "net.bin", "net"])
def test_weights_in_pickles_are_refused_unread(tmp_path, name):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").write_text, ("x",))

    path = tmp_path / name
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="only: others can be pickles, which run code"):
        load_model(Net, weights=path, classes=3)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04nonsense", b"\xff" * 64, b"\x10" + b"\0" * 7 + b'{"a": 1}        '])
def test_damaged_weights_are_one_clear_line(tmp_path, content):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="net.safetensors: cannot be put into Net"):
        load_model(Net, weights=path, classes=3)


def test_absent_weights_are_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="gone.safetensors: cannot be put into Net"):
        load_model(Net, weights=tmp_path / "gone.safetensors", classes=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("head.bias"), "does not fit Net: head.bias is missing"),
        (lambda t: t.update(tail=torch.zeros(2)), "does not fit Net: tail has no place"),
        (lambda t: t.update({"head.weight": torch.zeros(3, 9)}), "cannot be put into Net: .*head.weight"),
        (
            lambda t: t.update({f"layer{index}": torch.zeros(1) for index in range(9)}),
            "layer0 has no place, layer1 has no place, layer2 has no place and 6 more",
        ),
    ],
    ids=["missing", "unexpected", "shape", "many"],
)
def test_weights_of_another_network_are_named(weights, change, message):
    path, _ = weights
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(InputError, match=message) as caught:
        load_model(Net, weights=path, classes=3)
    assert "\n" not in str(caught.value)


def test_weights_for_something_that_is_no_network_are_refused(weights):
    with pytest.raises(InputError, match="can only be put into a torch.nn.Module"):
        load_model(lambda images: PROBABILITIES, weights=weights[0], classes=3)


def test_a_network_of_another_width_is_one_clear_line():
    with pytest.raises(InputError, match=r"must answer with shape \(5, 7\).* Got \(5, 3\)"):
        load_model(Net, weights=None, classes=7).predict(IMAGES)
