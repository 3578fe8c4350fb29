"""Source code beside a model. Nothing judges a program safe: it is only told when one plainly acts."""

import ast
import re
import warnings
from collections.abc import Iterator

from bezoar.learn.modelfiles.capabilities import capability
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import CARRIES, UNREAD, Reason

_LONGEST = 2**19
_MOST = 20
_HARMLESS = re.compile(
    r"(importlib\.(resources|metadata)|functools|itertools|operator|contextlib|pathlib|io|types|inspect|gc|weakref|torch\.jit|torch\.fx|torch\.distributed"
    r"|concurrent|threading|huggingface_hub|sys|glob|ast|os\.path)(\.|$)|os$|.*\.(filter|map|input|compile|help|load)$|open$"
)
"""Named by honest model code all the time; what is told of a program is what hardly any model needs."""


def scan_python(piece: Piece) -> Iterator[Reason | Piece]:
    """Tell what a module imports and calls that no model needs."""
    yield Reason(UNREAD, piece.where, "is Python code: read it before anything runs it")
    if len(piece.data) > _LONGEST:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(bytes(piece.data))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield Reason(UNREAD, piece.where, f"does not parse as Python: {shown(error)}")
        return
    names: dict[str, str] = {}
    told: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(
                {
                    (alias.asname or alias.name).split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0]
                    for alias in node.names
                }
            )
        elif isinstance(node, ast.ImportFrom):
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (path := _dotted(node.func, names)):
            module, _, name = path.rpartition(".")
            what = capability(module or "builtins", name)
            if what and not _HARMLESS.match(path) and path not in told and len(told) < _MOST:
                told.add(path)
                yield Reason(CARRIES, piece.at(f"line {node.lineno}"), f"its code calls {shown(path)}, which {what}")


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    first = names.get(node.id)
    # A method of some object, or a function of the module itself, is no name that is imported.
    if first is None and (parts or node.id not in ("eval", "exec", "__import__")):
        return ""
    return ".".join([first or node.id, *reversed(parts)])


def scan_script(piece: Piece) -> Iterator[Reason | Piece]:
    """A script is code."""
    yield Reason(CARRIES, piece.where, "is a script")
