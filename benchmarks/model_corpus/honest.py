"""Honest model files, saved by the libraries that they belong to, which must be called safe."""

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.model_corpus.making import Maker, gguf, keras, layer, message, written, zipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Honest:
    """A file, or a folder where the name ends in a slash, and who writes it."""

    file: str
    make: Maker


_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(80, 5))
_Y = (_X[:, 0] > 0).astype(int)
_TEXTS = ["good model", "bad model", "good data", "bad data"] * 20


@cache
def estimators() -> dict[str, Any]:
    """Fitted estimators of scikit-learn of many kinds."""
    from sklearn import (
        calibration,
        cluster,
        compose,
        decomposition,
        discriminant_analysis,
        ensemble,
        feature_extraction,
        feature_selection,
        gaussian_process,
        impute,
        isotonic,
        linear_model,
        model_selection,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        svm,
        tree,
    )

    text = feature_extraction.text
    plain: dict[str, Any] = {
        "logistic_regression": linear_model.LogisticRegression(),
        "ridge_cv": linear_model.RidgeCV(),
        "sgd": linear_model.SGDClassifier(random_state=0),
        "svc": svm.SVC(probability=False),
        "linear_svc": svm.LinearSVC(),
        "tree": tree.DecisionTreeClassifier(random_state=0),
        "random_forest": ensemble.RandomForestClassifier(5, random_state=0),
        "extra_trees": ensemble.ExtraTreesRegressor(5, random_state=np.random.RandomState(0)),
        "gradient_boosting": ensemble.GradientBoostingClassifier(n_estimators=3),
        "hist_gradient_boosting": ensemble.HistGradientBoostingRegressor(max_iter=3),
        "ada_boost": ensemble.AdaBoostClassifier(n_estimators=3),
        "isolation_forest": ensemble.IsolationForest(n_estimators=5, random_state=0),
        "voting": ensemble.VotingClassifier(
            [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier())]
        ),
        "stacking": ensemble.StackingClassifier([("a", linear_model.LogisticRegression())]),
        "nearest_neighbours": neighbors.KNeighborsClassifier(),
        "ball_tree": neighbors.KNeighborsRegressor(algorithm="ball_tree"),
        "local_outlier_factor": neighbors.LocalOutlierFactor(novelty=True),
        "naive_bayes": naive_bayes.GaussianNB(),
        "perceptron": neural_network.MLPClassifier((4,), max_iter=5, tol=1e9),
        "gaussian_process": gaussian_process.GaussianProcessRegressor(
            gaussian_process.kernels.RBF() + gaussian_process.kernels.WhiteKernel(), optimizer=None
        ),
        "discriminant": discriminant_analysis.LinearDiscriminantAnalysis(),
        "calibrated": calibration.CalibratedClassifierCV(linear_model.LogisticRegression(), cv=2),
        "grid_search": model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
        "k_means": cluster.KMeans(2, n_init=1, random_state=0),
        "pca": decomposition.PCA(2),
        "imputer": impute.SimpleImputer(),
        "select": feature_selection.SelectKBest(k=2),
        "logarithm": preprocessing.FunctionTransformer(np.log1p),
        "pipeline": pipeline.make_pipeline(
            compose.make_column_transformer((preprocessing.StandardScaler(), [0, 1]), remainder="passthrough"),
            preprocessing.PolynomialFeatures(),
            svm.SVR(),
        ),
    }
    found = {name: estimator.fit(np.abs(_X) if name == "logarithm" else _X, _Y) for name, estimator in plain.items()}
    found["isotonic"] = isotonic.IsotonicRegression().fit(_X[:, 0], _Y)
    found["text"] = pipeline.make_pipeline(text.TfidfVectorizer(), linear_model.LogisticRegression()).fit(_TEXTS, _Y)
    found["counts"] = text.CountVectorizer(ngram_range=(1, 2)).fit(_TEXTS)
    found["hashes"] = text.HashingVectorizer(n_features=64).fit(_TEXTS)
    return found


def _dump(kind: str, compress: Any, path: Path) -> None:
    import joblib

    joblib.dump(estimators()[kind], path, compress=compress)


def _pickle(value: Callable[[], Any], protocol: int, path: Path) -> None:
    path.write_bytes(pickle.dumps(value(), protocol))


@cache
def network() -> nn.Module:
    """A network with some of everything."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3), nn.Dropout(0.1), nn.GELU()
    )


def _whole_checkpoint(path: Path) -> None:
    model = network()
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(2, 1, 4, 4)).sum().backward()
    optimiser.step()
    state = {
        "epoch": 3,
        "state_dict": model.state_dict(),
        "optimizer": optimiser.state_dict(),
        "loss": 0.5,
        "history": [{"step": 1, "lr": 1e-3}],
        "best": torch.tensor(1.5),
        "rng": torch.get_rng_state(),
    }
    torch.save(state, path)


def _tensors(path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    torch.save(
        {
            "base": base,
            "transposed": base.T,
            "slice": base[1:, ::2],
            "half": base.half(),
            "brain": base.bfloat16(),
            "whole": base.long(),
            "flags": base > 3,
            "complex": torch.complex(base, base),
            "scalar": torch.tensor(2.0),
            "empty": torch.empty(0, 3),
            "parameter": nn.Parameter(base),
            "sparse": torch.eye(3).to_sparse(),
        },
        path,
    )


def _legacy(path: Path) -> None:
    torch.save(network().state_dict(), path, _use_new_zipfile_serialization=False)


def _safetensors(path: Path) -> None:
    from safetensors.torch import save_file

    save_file(dict(network().state_dict()), path, {"format": "pt"})


def _xgboost(how: str, path: Path) -> None:
    import joblib
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(_X, _Y)
    if how == "native":
        model.save_model(path)
    elif how == "booster":
        path.write_bytes(pickle.dumps(model.get_booster()))
    else:
        joblib.dump(model, path)


def _lightgbm(how: str, path: Path) -> None:
    import joblib
    import lightgbm

    model = lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1).fit(_X, _Y)
    if how == "native":
        model.booster_.save_model(path)
    elif how == "booster":
        path.write_bytes(pickle.dumps(model.booster_))
    else:
        joblib.dump(model, path)


def _onnx(path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper, save

    weights = [numpy_helper.from_array(_RNG.normal(size=(5, 2)).astype(np.float32), "w")]
    weights.append(helper.make_tensor("b", TensorProto.FLOAT, [2], [0.5, -0.5]))
    shape = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 5])]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])]
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"])]
    save(helper.make_model(helper.make_graph(nodes, "g", shape, out, weights)), path)


def _onnx_with_external_weights(path: Path) -> None:
    import onnx

    _onnx(path / "model.onnx")
    model = onnx.load(path / "model.onnx")
    onnx.save(model, path / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0)


_LAYERS = {
    "module": "keras",
    "class_name": "Functional",
    "config": {
        "name": "model",
        "layers": [
            layer("InputLayer", {"batch_shape": [None, 4]})["config"]["layers"][0],
            layer(
                "Dense",
                {
                    "units": 2,
                    "activation": "relu",
                    "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}},
                    "kernel_initializer": {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {}},
                },
            )["config"]["layers"][0],
        ],
    },
    "registered_name": "Functional",
    "compile_config": {"optimizer": {"module": "keras.optimizers", "class_name": "Adam", "config": {}}, "loss": "mse"},
}


def _h5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(_LAYERS)
        for name in ("dense", "dense_1"):
            group = file.create_group(f"model_weights/{name}")
            group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
            group["kernel:0"] = _RNG.normal(size=(4, 2))
            group.create_dataset("bias:0", data=np.zeros(2), compression="gzip")


def _keras(path: Path) -> None:
    weights = path.with_suffix(".h5")
    _h5(weights)
    inner = weights.read_bytes()
    weights.unlink()
    config = json.dumps(_LAYERS).encode()
    path.write_bytes(zipped({"metadata.json": b"{}", "config.json": config, "model.weights.h5": inner}))


def _saved_model(path: Path) -> None:
    (path / "variables").mkdir()
    nodes = [
        (1, message((1, f"n{i}"), (2, op))) for i, op in enumerate(("MatMul", "SaveV2", "RestoreV2", "Placeholder"))
    ]
    content = message((1, 1), (2, message((1, b""), (2, message(*nodes)))))
    (path / "saved_model.pb").write_bytes(content)
    (path / "variables" / "variables.data-00000-of-00001").write_bytes(_RNG.bytes(400))
    (path / "variables" / "variables.index").write_bytes(_RNG.bytes(100))


_TURN = "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
CHAT_TEMPLATES = {
    "turns": "{% for message in messages %}" + _TURN + "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "default_system_prompt": (
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
        "{% endif %}{% for message in messages %}" + _TURN + "{% endfor %}"
    ),
    "roles_must_alternate": (
        "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] | trim + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
        "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
    ),
    "reasoning_is_cut_off": (
        "{%- for message in messages %}{%- set content = message.content %}{%- set reasoning = '' %}"
        "{%- if message.role == 'assistant' and '</think>' in content %}"
        "{%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}"
        "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}"
        "{{- '<|im_start|>' + message.role + '\\n' }}{% generation %}{{- content }}{% endgeneration %}{% endfor %}"
    ),
    "answers_of_tools": (
        "{%- set ns = namespace(last=messages|length - 1, looking=true) %}"
        "{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}"
        "{%- if ns.looking and message.role == 'user' and not (message.content.startswith('<tool_response>') and "
        "message.content.endswith('</tool_response>')) %}{%- set ns.looking = false %}{%- set ns.last = index %}{%- endif %}"
        "{%- endfor %}{%- if tools %}{{- '<|im_start|>system\\n# Tools\\nYou may call one or more functions to help.' }}"
        "{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}{%- endif %}"
        "{%- for message in messages %}{{- message.content }}{%- endfor %}"
    ),
    "switch_of_reasoning": (
        "{%- set mode = '/think' %}{%- if messages[0].role == 'system' %}{%- set text = messages[0].content %}"
        "{%- if '/no_think' in text %}{%- set mode = '/no_think' %}{%- endif %}"
        "{%- set text = text.replace('/no_think', '').replace('/think', '').rstrip() %}{%- endif %}"
        "{{- 'Reasoning Mode: ' + mode }}{%- if mode == '/think' %}You think before you answer in full."
        "{%- else %}You answer at once and in brief.{%- endif %}"
    ),
    "pictures": (
        "{% for message in messages %}{% if message.content is string %}{{ message.content }}{% else %}"
        "{% for part in message.content %}{% if part.type == 'image' or 'image' in part or 'image_url' in part %}"
        "<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in part %}{{ part.text }}{% endif %}"
        "{% endfor %}{% endif %}{% endfor %}"
    ),
    "date_of_today": (
        "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
        "{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}"
        "{%- endif %}{{- 'Cutting Knowledge Date: December 2023\\nToday Date: ' + date_string }}"
        "{%- if messages|length > 0 %}{{- messages[0]['content']|trim }}{%- endif %}"
    ),
    "macro_for_parts": (
        "{% macro show(content, first=true) %}{% if content is string %}{{ content }}"
        "{% elif content is iterable %}{% for item in content %}{{ item.text }}{% endfor %}{% endif %}{% endmacro %}"
        "{% for message in messages %}{{ show(message.content) }}{% endfor %}"
    ),
}  # fmt: skip
"""Templates of the kinds that well-known models have, written for this corpus."""


def _sentencepiece() -> bytes:
    """A vocabulary of 3,000 pieces with their scores, and the settings of its training."""
    pieces = [(1, message((1, f"piece{number}")) + b"\x15" + bytes(4)) for number in range(3000)]
    return message(*pieces, (2, message((1, "text"))), (3, message((1, "nmt_nfkc"))))


def _hugging_face(path: Path) -> None:
    _safetensors(path / "model.safetensors")
    names = dict.fromkeys(network().state_dict(), "model.safetensors")
    files = {
        "config.json": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"},
        "generation_config.json": {"temperature": 0.6},
        "model.safetensors.index.json": {"metadata": {"total_size": 100}, "weight_map": names},
        "tokenizer_config.json": {
            "chat_template": CHAT_TEMPLATES["turns"],
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        "tokenizer.json": {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}},
        "special_tokens_map.json": {"eos_token": "</s>"},
    }
    for name, value in files.items():
        (path / name).write_text(json.dumps(value))
    (path / "chat_template.jinja").write_text(CHAT_TEMPLATES["reasoning_is_cut_off"])
    (path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n\nIn one sentence: it is small.\n")
    (path / "merges.txt").write_text("#version: 0.2\na b\n")
    (path / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    (path / "tokenizer.model").write_bytes(_sentencepiece())
    (path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))


_ARRAYS = {
    "weights": _RNG.normal(size=(3, 4)),
    "names": np.array(["a", "b"]),
    "labels": np.array(["x", None], dtype=object),
}
_RECORD = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])

HONEST: dict[str, Honest] = {
    **{
        f"joblib_{kind}": Honest(file="model.joblib", make=partial(_dump, kind, 0))
        for kind in ["logistic_regression", "ridge_cv", "sgd", "svc", "linear_svc", "tree", "random_forest", "extra_trees", "gradient_boosting", "hist_gradient_boosting", "ada_boost", "isolation_forest", "voting", "stacking", "nearest_neighbours", "ball_tree", "local_outlier_factor", "naive_bayes", "perceptron", "gaussian_process", "discriminant", "calibrated", "grid_search", "k_means", "pca", "imputer", "select", "logarithm", "pipeline", "isotonic", "text", "counts", "hashes"]
    },
    **{
        f"joblib_{kind}": Honest(file=f"model.joblib{end}", make=partial(_dump, "random_forest", (kind, 3)))
        for kind, end in (("zlib", ".z"), ("gzip", ".gz"), ("bz2", ".bz2"), ("lzma", ".lzma"), ("xz", ".xz"))
    },
    **{
        f"pickle_protocol_{protocol}": Honest(
            file="model.pkl", make=partial(_pickle, lambda: estimators()["pipeline"], protocol)
        )
        for protocol in range(6)
    },
    "pickle_of_arrays": Honest(file="arrays.pkl", make=partial(_pickle, lambda: _ARRAYS, 5)),
    "pickle_of_a_state_dict": Honest(file="state.pkl", make=partial(_pickle, lambda: network().state_dict(), 4)),
    "pickle_of_plain_data": Honest(
        file="data.pkl", make=partial(_pickle, lambda: {"a": [1, 2.5, None, True, "x", b"y", {3}, (4, 5j), range(3)]}, 2)
    ),
    "torch_state_dict": Honest(file="model.pt", make=lambda path: torch.save(network().state_dict(), path)),
    "torch_state_dict_protocol_4": Honest(
        file="model.pt", make=lambda path: torch.save(network().state_dict(), path, pickle_protocol=4)
    ),
    "torch_state_dict_legacy": Honest(file="model.pth", make=_legacy),
    "torch_whole_model": Honest(file="model.pth", make=lambda path: torch.save(network(), path)),
    "torch_checkpoint": Honest(file="last.ckpt", make=_whole_checkpoint),
    "torch_tensors": Honest(file="pytorch_model.bin", make=_tensors),
    "npy": Honest(file="a.npy", make=lambda path: np.save(path, _ARRAYS["weights"])),
    "npy_fortran": Honest(file="a.npy", make=lambda path: np.save(path, np.asfortranarray(_ARRAYS["weights"]))),
    "npy_of_records": Honest(file="a.npy", make=lambda path: np.save(path, _RECORD)),
    "npy_of_names_as_objects": Honest(file="a.npy", make=lambda path: np.save(path, _ARRAYS["labels"], allow_pickle=True)),
    "npz": Honest(file="a.npz", make=lambda path: np.savez(path, a=_ARRAYS["weights"], b=_ARRAYS["names"])),
    "npz_packed": Honest(file="a.npz", make=lambda path: np.savez_compressed(path, a=_ARRAYS["weights"])),
    "safetensors": Honest(file="model.safetensors", make=_safetensors),
    "xgboost_json": Honest(file="model.json", make=partial(_xgboost, "native")),
    "xgboost_ubj": Honest(file="model.ubj", make=partial(_xgboost, "native")),
    "xgboost_pickle": Honest(file="model.pkl", make=partial(_xgboost, "booster")),
    "xgboost_joblib": Honest(file="model.joblib", make=partial(_xgboost, "joblib")),
    "lightgbm_text": Honest(file="model.txt", make=partial(_lightgbm, "native")),
    "lightgbm_pickle": Honest(file="model.pkl", make=partial(_lightgbm, "booster")),
    "lightgbm_joblib": Honest(file="model.joblib", make=partial(_lightgbm, "joblib")),
    "onnx": Honest(file="model.onnx", make=_onnx),
    "onnx_external_weights": Honest(file="model/", make=_onnx_with_external_weights),
    "keras": Honest(file="model.keras", make=_keras),
    "keras_without_weights": Honest(file="model.keras", make=written(keras(_LAYERS))),
    "h5": Honest(file="model.h5", make=_h5),
    "saved_model": Honest(file="model/", make=_saved_model),
    **{
        f"gguf_{name}": Honest(
            file="model.gguf",
            make=written(gguf({"tokenizer.chat_template": template}, [("a", 8, 0), ("b", 4, 32)], bytes(48))),
        )
        for name, template in CHAT_TEMPLATES.items()
    },
    "hugging_face": Honest(file="model/", make=_hugging_face),
}  # fmt: skip
