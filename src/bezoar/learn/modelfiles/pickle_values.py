"""What stands for the objects that a pickle would make. Nothing here is made: it is only remembered what would be."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bezoar.learn.modelfiles.pieces import shown

if TYPE_CHECKING:
    from bezoar.learn.modelfiles.known import Known

Value = Any
"""None, bool, int, float, str, bytes, a tuple or list of values, or one of the classes here."""

LONGEST_KEPT = 64 * 1024
"""Longer strings and bytes stay in the file, as a :class:`Span`."""


@dataclass(slots=True, eq=False)
class Global:
    """A name that would be imported. `rule` says what is allowed with it; None where nothing is known of it."""

    module: str
    name: str
    rule: "Known | None"

    @property
    def path(self) -> str:
        """Such as "os.system"."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Pairs:
    """A dict: keys with values in the order in which they are set, later ones winning."""

    pairs: list[tuple[Value, Value]] = field(default_factory=list)

    def get(self, key: str) -> Value:
        """The last value of a key, None where it is not there."""
        return next((value for name, value in reversed(self.pairs) if type(name) is str and name == key), None)


@dataclass(slots=True, eq=False)
class Members:
    """A set or a frozenset."""

    items: list[Value] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Span:
    """Long text or bytes that stay in the file. `kind` is "str" or "bytes"."""

    start: int
    length: int
    kind: str


@dataclass(slots=True, eq=False)
class Stored:
    """Something that the loader finds by a persistent identifier: in torch's files a storage."""

    identity: Value


@dataclass(slots=True, eq=False)
class Made:
    """What a call would give.

    Parameters
    ----------
    maker : what would be called: a :class:`Global`, or another value where a pickle calls those.
    args : with what.
    rule : what may be done to the result. None where nothing is known.
    kind : the class of the result, where it is known.
    state : what BUILD would give it, the last.
    items, pairs : what would be put into it.
    array : where the raw bytes of a joblib array lie.
    used : something was made with it that relies on what it is now.
    """

    maker: Value
    args: tuple[Value, ...]
    rule: "Known | None" = None
    kind: Global | None = None
    state: Value = None
    items: list[Value] = field(default_factory=list)
    pairs: list[tuple[Value, Value]] = field(default_factory=list)
    array: Span | None = None
    used: bool = False

    @property
    def path(self) -> str:
        """The class of it, else what made it."""
        source = self.kind or self.maker
        return source.path if isinstance(source, Global) else type(source).__name__


def inside(root: Value) -> Iterator[Value]:
    """A value and all that it holds, each container once. No recursion: pickles nest as deep as they like."""
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, list | tuple | Pairs | Members | Made):
            if id(value) in seen:
                continue
            seen.add(id(value))
            waiting.extend(_held(value))
        elif isinstance(value, Stored):
            waiting.append(value.identity)


def _held(value: Value) -> list[Value]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, Members):
        return value.items
    if isinstance(value, Pairs):
        return [part for pair in value.pairs for part in pair]
    parts = [part for pair in value.pairs for part in pair]
    return [*value.args, value.state, *value.items, *parts]


def preview(value: Value, depth: int = 2) -> str:
    """A value in a few words."""
    if isinstance(value, str | bytes):
        return shown(repr(value[:60]), 60)
    if isinstance(value, Global):
        return shown(value.path)
    if isinstance(value, tuple | list) and depth:
        inner = ", ".join(preview(member, depth - 1) for member in value[:3])
        return f"({inner}{', ...' if len(value) > 3 else ''})"
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**12):
        return repr(value)
    return f"<{shown(value.path) if isinstance(value, Made) else type(value).__name__.lower()}>"
