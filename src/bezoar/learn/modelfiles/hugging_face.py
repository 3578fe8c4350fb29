"""What a folder of Hugging Face's libraries says in JSON: code to fetch or run, templates, where the weights lie."""

import re
from collections.abc import Iterator
from typing import Any

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import strict_json, templates, zips
from bezoar.learn.modelfiles.capabilities import capability
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import CARRIES, EXECUTES, REACHES, TEMPLATE, UNREAD, Reason

_TEMPLATES = ("chat_template", "chat_templates")
_CODE = ("auto_map", "custom_pipelines", "custom_pipeline", "custom_generate")
_LIBRARIES = ("parent_library",)
_OWN = re.compile(r"(transformers|diffusers|torch|peft|timm|sentence_transformers)(\.[a-z_][a-z0-9_]*)*$")
_KERNELS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")


def judge(document: Any, piece: Piece) -> Iterator[Reason | Piece]:
    """Judge a JSON document, wherever in it the keys stand that libraries obey."""
    for path, node in strict_json.nodes(document):
        if not isinstance(node, dict):
            continue
        yield from _replacement(node, piece.at(path or "the top"))
        for key, value in node.items():
            where = piece.at(f"{path}.{key}" if path else key)
            if key in _CODE and value:
                yield Reason(CARRIES, where, f"names code of its own: {shown(_first(value), 120)}")
            elif key == "trust_remote_code" and value is True:
                yield Reason(CARRIES, where, "switches on that code of the model is run")
            elif key == "weight_map" and isinstance(value, dict):
                yield from _weights(value, piece, where)
            elif key in _TEMPLATES:
                yield from _templates(value, where)
            elif key in ("_target_", "_component_", "loader_module") and isinstance(value, str):
                yield from called(value, piece, where)
            elif key in _LIBRARIES and isinstance(value, str) and not _OWN.match(value):
                yield Reason(CARRIES, where, f"imports the module {shown(value)}")
            elif key in _KERNELS and isinstance(value, str) and "/" in value:
                yield Reason(CARRIES, where, f"fetches compiled code from {shown(value)}")
    if isinstance(document, list) and piece.name.endswith("modules.json"):
        for entry in document:
            kind = entry.get("type") if isinstance(entry, dict) else None
            if isinstance(kind, str) and not kind.startswith("sentence_transformers."):
                yield Reason(CARRIES, piece.where, f"imports the class {shown(kind)}")


def _first(value: Any) -> Any:
    """The first name in a table or list of them."""
    while isinstance(value, dict | list) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return value


def _weights(table: dict[str, Any], piece: Piece, where: str) -> Iterator[Reason]:
    for name in sorted({name for name in table.values() if isinstance(name, str)}):
        if zips.leads_out(name):
            yield Reason(REACHES, where, f"names weights outside of the folder: {shown(name)}")
        elif piece.folder is not None and not (piece.folder / name).exists():
            yield Reason(UNREAD, where, f"names weights that are not there: {shown(name)}")
    if any(not isinstance(name, str) for name in table.values()):
        yield Reason(UNREAD, where, "names weights by something else than text")


def _templates(value: Any, where: str) -> Iterator[Reason]:
    """One template, a table of them, or a list of named ones."""
    found: dict[str, Any] = {"": value}
    if isinstance(value, dict):
        found = value
    elif isinstance(value, list):
        found = {
            str(item.get("name", n)): item.get("template") for n, item in enumerate(value) if isinstance(item, dict)
        }
    for name, template in found.items():
        place = f"{where} {shown(name)}".strip()
        if isinstance(template, str):
            try:
                yield from templates.judge(template, place)
            except InputError as error:
                yield Reason(UNREAD, place, str(error))
        elif template is not None:
            yield Reason(UNREAD, place, "is a template that is no text")


def _replacement(node: dict[str, Any], where: str) -> Iterator[Reason]:
    """A tokenizer that replaces words by others before the model sees them."""
    pattern, content = node.get("pattern"), node.get("content")
    if node.get("type") != "Replace" or not isinstance(pattern, dict) or not isinstance(content, str):
        return
    sought = " ".join(str(part) for part in pattern.values())
    if _WORD.search(sought) and _WORD.search(content) and sought != content:
        yield Reason(TEMPLATE, where, f"the tokenizer replaces {shown(repr(sought))} by {shown(repr(content))}")


_WORD = re.compile(r"[^\W\d_]{2,}")


def called(target: str, piece: Piece, where: str) -> Iterator[Reason]:
    """A name that a library calls because a document says so."""
    module, _, name = target.rpartition(".")
    if what := capability(module, name):
        yield Reason(EXECUTES, where or piece.where, f"has {shown(target)} called, which {what}")
