"""Keras configurations: which classes and functions they name, and whether those are Keras's own or carry code."""

import re
from collections.abc import Iterator
from typing import Any

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import strict_json, zips
from bezoar.learn.modelfiles.capabilities import capability
from bezoar.learn.modelfiles.pieces import shown, words
from bezoar.learn.modelfiles.verdict import CARRIES, EXECUTES, REACHES, UNREAD

_KERAS = re.compile(
    r"(tf_)?keras(\.src)?(\.(layers|models|initializers|regularizers|constraints|optimizers|losses|metrics|activations|"
    r"dtype_policies|saving|engine|core|ops|random|callbacks|quantizers)(\.[a-z0-9_]+)*)?|tensorflow\.python\.keras(\.[a-z0-9_]+)*|builtins"
)
_LAYER = re.compile(r"[A-Z][A-Za-z0-9]{0,60}|[a-z][a-z0-9_]{0,40}")
_LAMBDAS = frozenset(("Lambda", "__lambda__", "LambdaLayer", "LambdaCallback"))
_WRAPPERS = frozenset(("TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer", "TFOpLambda", "SlicingOpLambda"))
_FUNCTIONS = words(
    "relu elu selu celu silu swish gelu glu softplus softsign softmax log_softmax sigmoid log_sigmoid hard_sigmoid "
    "hard_silu hard_swish hard_tanh tanh linear exponential leaky_relu relu6 mish squareplus sparsemax sparse_plus "
    "sparse_sigmoid soft_shrink hard_shrink tanh_shrink threshold glorot_uniform"
)
_BUILTIN = frozenset(("tuple", "list", "dict", "set", "slice", "int", "float", "str", "bool", "function"))
_FILES = frozenset(("vocabulary", "filepath", "file_path", "filename", "path"))

Problem = tuple[str, str, str]
"""A place in the configuration, a code, and what is wrong."""


def problems(document: Any) -> Iterator[Problem]:
    """What is wrong in a JSON document that has Keras's serialised objects in it, at any depth."""
    for path, node in strict_json.nodes(document):
        if isinstance(node, dict) and isinstance(node.get("class_name"), str):
            yield from ((path, code, what) for code, what in _object(node))


def problems_in_text(text: str) -> Iterator[Problem]:
    """The same, of JSON text; text that is no JSON is not analysed."""
    try:
        value, _ = strict_json.parse(text)
    except InputError as error:
        yield "", UNREAD, f"holds a configuration that {error}"
        return
    yield from problems(value)


def _object(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    name, module, registered = node["class_name"], node.get("module"), node.get("registered_name")
    config = node.get("config")
    if name in _LAMBDAS:
        yield EXECUTES, f"has a {shown(name)} object: Python code that is run when the model is loaded or used"
    elif name in _WRAPPERS:
        yield EXECUTES, f"has a {shown(name)}, which loads a model or an operation of another kind by itself"
    if isinstance(module, str) and not _KERAS.fullmatch(module):
        what = capability(module, name)
        yield (
            (EXECUTES, f"imports {shown(f'{module}.{name}')}, which {what}")
            if what
            else (CARRIES, f"imports {shown(f'{module}.{name}')}, which is no part of Keras")
        )
    elif module == "builtins" and name not in _BUILTIN:
        yield EXECUTES, f"imports the builtin {shown(name)}"
    elif name == "function" or (isinstance(module, str) and name[:1].islower() and module != "builtins"):
        yield from _function(name, config, module)
    elif not _LAYER.fullmatch(name) and name != "__tuple__" and name not in _LAMBDAS:
        yield CARRIES, f"has the class {shown(name)}, which is none of Keras's"
    if isinstance(registered, str) and ">" in registered:
        yield UNREAD, f"has the class {shown(registered)}, which needs code that is not here"
    if isinstance(config, dict):
        yield from _settings(config)


def _function(name: str, config: Any, module: Any) -> Iterator[tuple[str, str]]:
    function = config if isinstance(config, str) and name == "function" else name
    if function in _FUNCTIONS:
        return
    what = capability(module if isinstance(module, str) else "", function)
    says = f"which {what}" if what else "which is none of Keras's activations"
    yield EXECUTES if what else UNREAD, f"names the function {shown(f'{module}.{function}')}, {says}"


def _settings(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if key == "function" and isinstance(value, list) and value and isinstance(value[0], str) and len(value[0]) > 20:
            yield EXECUTES, "has a function as compiled code"
        if key in _FILES and isinstance(value, str) and ("/" in value or "\\" in value or zips.leads_out(value)):
            yield REACHES, f"reads the file {shown(value)} when it is loaded"
