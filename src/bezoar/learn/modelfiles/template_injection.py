"""Templates that reach for the interpreter: through attributes, through names put together, through other files."""

import re
from collections.abc import Callable, Iterator

from jinja2 import nodes

from bezoar.learn.modelfiles.pieces import shown, words

_INNARDS = re.compile(
    r"__\w+__|\b(?:func_globals|gi_frame|gi_code|cr_frame|f_globals|f_builtins|f_back|tb_frame|mro)\b"
)
_GLOBALS = words("lipsum self url_for get_flashed_messages request session application joiner cycler")
_PLAIN_USE = {"cycler": frozenset(("next", "reset", "current"))}
_ACTS = words(
    "eval exec open compile getattr setattr import_module popen system spawn check_output getoutput format_map mro "
    "subclasses read_text write_text write_bytes urlopen"
)
_BUILDS = frozenset(("format", "join", "reverse", "replace", "urlencode", "batch", "slice"))
_LONGEST_RANGE = 1_000_000
_LONGEST_TEXT = 10_000


def problems(tree: nodes.Template) -> Iterator[str]:
    """What is wrong, each as the end of a sentence that begins with "the template"."""
    named = constants(tree)
    seen: set[str] = set()
    for node in tree.find_all(nodes.Node):
        for what in _of(node, named):
            if what not in seen:
                seen.add(what)
                yield what


def constants(tree: nodes.Template) -> dict[str, str]:
    """Variables that are set to text that is known, whatever pieces it is put together from."""
    named: dict[str, str] = {}
    for node in tree.find_all(nodes.Assign):
        if isinstance(node.target, nodes.Name) and (text := folded(node.node, named)) is not None:
            # Set twice to different text: all of it may be meant.
            named[node.target.name] = (named.get(node.target.name, "") + " " + text).strip()[:_LONGEST_TEXT]
    return named


def folded(node: nodes.Node, named: dict[str, str]) -> str | None:
    """The text that an expression puts together from constants, None where something else goes in."""
    if isinstance(node, nodes.Const):
        return str(node.value)[:_LONGEST_TEXT] if isinstance(node.value, str | int) else None
    if isinstance(node, nodes.Name):
        return named.get(node.name)
    if isinstance(node, nodes.Add | nodes.Mul | nodes.Mod):
        return _arithmetic(node, named)
    if isinstance(node, nodes.Concat | nodes.List | nodes.Tuple):
        parts = [folded(part, named) for part in (node.nodes if isinstance(node, nodes.Concat) else node.items)]
        return None if None in parts else "".join(part for part in parts if part is not None)[:_LONGEST_TEXT]
    if isinstance(node, nodes.Filter) and node.node is not None:
        inner = folded(node.node, named)
        changes: dict[str, Callable[[str], str]] = {
            "reverse": lambda text: text[::-1],
            "lower": str.lower,
            "upper": str.upper,
        }
        if inner is not None and node.name in changes:
            return changes[node.name](inner)
        if inner is not None and node.name == "replace" and len(node.args) == 2:
            old, new = (folded(argument, named) for argument in node.args)
            return None if old is None or new is None else inner.replace(old, new)[:_LONGEST_TEXT]
        return inner if node.name in ("join", "trim", "string", "safe") else None
    return None


def _arithmetic(node: nodes.BinExpr, named: dict[str, str]) -> str | None:
    left, right = folded(node.left, named), folded(node.right, named)
    if left is None or right is None:
        return None
    if isinstance(node, nodes.Mul):
        text, times = (left, right) if right.isdigit() else (right, left)
        return (text * min(int(times), 100))[:_LONGEST_TEXT] if times.isdigit() else None
    return left + right


def _of(node: nodes.Node, named: dict[str, str]) -> Iterator[str]:
    if isinstance(node, nodes.Import | nodes.FromImport | nodes.Include | nodes.Extends):
        yield "reads another template from a file"
    elif isinstance(node, nodes.Name):
        if node.name in _GLOBALS and node.ctx == "load" and node.name not in _PLAIN_USE:
            yield f"uses {node.name}, which leads to the interpreter's functions"
    elif isinstance(node, nodes.Getattr):
        if node.attr.startswith("_") or _INNARDS.fullmatch(node.attr):
            yield f"reaches for the inner attribute {shown(node.attr)}"
        elif isinstance(node.node, nodes.Name) and node.attr not in _PLAIN_USE.get(node.node.name, {node.attr}):
            yield f"reaches into {node.node.name}"
    elif isinstance(node, nodes.Getitem):
        yield from _subscript(node, named)
    elif isinstance(node, nodes.Filter):
        yield from _filter(node, named)
    elif isinstance(node, nodes.Call):
        yield from _call(node, named)
    elif isinstance(node, nodes.Const | nodes.Add | nodes.Concat | nodes.Mul | nodes.Mod):
        text = folded(node, named) if not isinstance(node, nodes.Const) or isinstance(node.value, str) else None
        if text and (found := _INNARDS.search(text)) and found[0] != "mro":
            yield f"puts together the name {shown(found[0])}"


def _subscript(node: nodes.Getitem, named: dict[str, str]) -> Iterator[str]:
    text = folded(node.arg, named)
    if text is not None and (text.startswith("_") or _INNARDS.search(text)):
        yield f"reaches for the inner attribute {shown(text)}"
    elif text is None and _is_built(node.arg):
        yield "computes the name of what it reaches for"


def _is_built(node: nodes.Node) -> bool:
    """Whether an expression puts a text together, other than by looking it up."""
    if isinstance(node, nodes.Concat):
        return True
    if isinstance(node, nodes.Add | nodes.Mul | nodes.Mod):
        return any(isinstance(leaf, nodes.Const) and isinstance(leaf.value, str) for leaf in node.find_all(nodes.Const))
    return isinstance(node, nodes.Filter) and node.name in _BUILDS


def _filter(node: nodes.Filter, named: dict[str, str]) -> Iterator[str]:
    if node.name == "attr":
        yield "reaches for attributes by the filter `attr`"
    elif node.name == "random":
        yield "chooses by chance what it says"
    attributes = [keyword.value for keyword in node.kwargs or [] if keyword.key == "attribute"]
    if node.name in ("selectattr", "rejectattr", "groupby", "sum", "sort", "unique", "min", "max"):
        attributes += node.args[:1]
    for attribute in attributes:
        text = folded(attribute, named)
        if text is None or any(part.startswith("_") for part in text.split(".")):
            yield "reaches for an inner attribute by a filter"


def _call(node: nodes.Call, named: dict[str, str]) -> Iterator[str]:
    called = node.node
    name = called.attr if isinstance(called, nodes.Getattr) else called.name if isinstance(called, nodes.Name) else ""
    if name in _ACTS:
        yield f"calls {shown(name)}"
    elif name == "format" and isinstance(called, nodes.Getattr):
        text = folded(called.node, named)
        if text is None or re.search(r"\{[^{}]*[.\[][^{}]*\}", text):
            yield "formats text in a way that reaches into objects"
    elif name == "range" and any((folded(part, named) or "0").lstrip("-").isdigit() for part in node.args):
        numbers = [int(text) for part in node.args if (text := folded(part, named) or "0").lstrip("-").isdigit()]
        if max(map(abs, numbers)) > _LONGEST_RANGE:
            yield f"counts to {max(map(abs, numbers)):,}, and so may never end"
    elif not name and isinstance(called, nodes.Getitem | nodes.Call | nodes.Filter):
        yield "calls what it found by a computed name"
