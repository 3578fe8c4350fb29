"""Text that loaders obey: JSON of Hugging Face, Keras and others, YAML, templates."""

import re
from collections.abc import Iterator

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import hugging_face, keras_config, saved_model, strict_json, templates
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import CARRIES, EXECUTES, LIES, REACHES, UNREAD, Reason

_MOST = 20


def is_json(piece: Piece) -> bool:
    """Whether the last character closes what the first opened, or the name says so."""
    last = bytes(piece.data[-64:]).rstrip()[-1:]
    return last in (b"}", b"]") or piece.name.lower().endswith((".json", ".ipynb"))


def scan_json(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge a JSON document by every rule for every library: a name promises little."""
    value, repeated = strict_json.parse(piece.text())
    for key in repeated[:_MOST]:
        yield Reason(LIES, piece.at(key), "occurs more than once in an object: readers may take different ones")
    yield from hugging_face.judge(value, piece)
    for path, code, what in keras_config.problems(value):
        yield Reason(code, piece.at(path), what)


def scan_lines(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge a document a line."""
    for number, line in enumerate(piece.text().splitlines(), 1):
        if line.strip():
            try:
                value, _ = strict_json.parse(line)
            except InputError as error:
                raise InputError(f"line {number}: {error}") from error
            yield from hugging_face.judge(value, piece)


def scan_template(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge a template in a file of its own."""
    yield from templates.judge(piece.text(), piece.where)


_TAG = re.compile(r"!!?python/[\w./:]+|!<tag:yaml\.org,2002:python/[^>]+>")
_TARGET = re.compile(r"""["']?\b(?:_target_|target|loader_module)["']?\s*:\s*["']?([A-Za-z_][\w.]*)""")
_LOADER = re.compile(r"^\s*(?:loader_module:\s*(?!mlflow\b)\S+|code:\s*\S+)", re.MULTILINE)
_OPERATION = re.compile(r"""\bop\s*:\s*["'](\w+)["']""")


def scan_yaml(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge tags that make YAML loaders of Python build objects, and names that configuration libraries call."""
    text = piece.text()
    for tag in list(dict.fromkeys(_TAG.findall(text)))[:_MOST]:
        yield Reason(EXECUTES, piece.where, f"the tag {shown(tag)} makes a loader call Python")
    for target in list(dict.fromkeys(_TARGET.findall(text)))[:_MOST]:
        yield from hugging_face.called(target, piece, piece.where)
    if piece.name.endswith("MLmodel") and (found := _LOADER.search(text)):
        yield Reason(CARRIES, piece.where, f"names code of its own: {shown(found[0].strip())}")
    if "{%" in text or "{{" in text:
        yield Reason(UNREAD, piece.where, "holds what looks like a template")


def scan_graph(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge the operations of a graph of TensorFlow that is written out. The form has too many spellings to be sure."""
    yield Reason(UNREAD, piece.where, "is a graph written out as text")
    yield from saved_model.judged(dict.fromkeys(_OPERATION.findall(piece.text())), piece)


def scan_entities(piece: Piece) -> Iterator[Reason | Piece]:
    """XML with entities of its own makes careless readers open files or fill their memory."""
    yield Reason(REACHES, piece.where, "is XML that defines entities, which readers may fetch from elsewhere")
