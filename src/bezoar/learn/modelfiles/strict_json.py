"""JSON that two readers cannot read differently."""

import json
from collections.abc import Iterator
from typing import Any

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles.pieces import shown

_MOST = 8_000_000
"""Values in one document: each takes a hundred bytes of memory."""


def parse(text: str) -> tuple[Any, tuple[str, ...]]:
    """The value, and the keys that an object in it has more than once: the first or the last may count.

    Raises
    ------
    InputError
        It is no JSON, or nests too deeply.
    """
    if text.count(",") + text.count("[") + text.count("{") > _MOST:
        raise InputError(f"has more than {_MOST:,} values")
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            repeated.extend(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return found

    try:
        return json.loads(text, object_pairs_hook=once), tuple(repeated)
    except RecursionError as error:
        raise InputError("nests too deeply") from error
    except ValueError as error:
        raise InputError(f"is no JSON: {shown(error)}") from error


def nodes(value: Any) -> Iterator[tuple[str, Any]]:
    """Every value in a JSON value with its path, such as "config.layers[3].name". No recursion."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        if isinstance(node, dict):
            waiting.extend((f"{path}.{key}"[-200:] if path else key, inner) for key, inner in node.items())
        elif isinstance(node, list):
            waiting.extend((f"{path}[{index}]"[-200:], inner) for index, inner in enumerate(node))
