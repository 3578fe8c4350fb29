"""The judge of pickles: what they would import, call, set and fill, against what is known."""

import re
from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Literal

from bezoar.learn.modelfiles import array_types, known
from bezoar.learn.modelfiles.capabilities import capability
from bezoar.learn.modelfiles.known import Known
from bezoar.learn.modelfiles.known_names import TORCH_STORAGES
from bezoar.learn.modelfiles.pickle_machine import Broken, Machine
from bezoar.learn.modelfiles.pickle_values import (
    Global,
    Made,
    Members,
    Pairs,
    Span,
    Stored,
    Value,
    inside,
    preview,
)
from bezoar.learn.modelfiles.pieces import Piece, shown
from bezoar.learn.modelfiles.verdict import EXECUTES, REACHES, UNREAD, Reason

_MOST_NAMES = 1_000
_MOST_KEPT = 100_000
_LONGEST_NAME = 300


class Inspector:
    """The judge of a pickle: knows what is allowed, remembers what is not, and follows loaders that read on their own.

    Parameters
    ----------
    piece : what is read.
    loader : whose persistent identifiers are understood. torch's loader takes any name with "Storage" in it for one
        of its storage types.
    """

    def __init__(self, piece: Piece, loader: Literal["", "torch"] = "") -> None:
        self.piece, self.loader = piece, loader
        self.reasons: dict[tuple[str, str], Reason] = {}
        self.counts: Counter[str] = Counter()
        self.names: dict[tuple[str, str], Global] = {}
        self.raw_arrays, self.has_raw_arrays = True, False
        self.inner: list[Piece] = []
        self.made: list[Made] = []
        self.stored: list[tuple[Value, int]] = []

    def note(self, code: str, key: str, what: str, at: int | None) -> None:
        """Keep a reason; one for each key, and so many of each code that no flood of one hides another."""
        if (code, key) not in self.reasons and self.counts[code] < _MOST_NAMES:
            self.counts[code] += 1
            where = self.piece.where if at is None else self.piece.at(at)
            self.reasons[code, key] = Reason(code, where, what)

    def find(self, module: Value, name: Value, at: int) -> Value:
        """Judge a name by the list of what is known, else by what it is known to be able to do."""
        if not isinstance(module, str) or not isinstance(name, str):
            computed = isinstance(module, Made) or isinstance(name, Made)
            how = "computes the name of what it imports" if computed else "imports by something that is no name"
            self.note(EXECUTES if computed else UNREAD, "computed", f"{how}, as only a pickle that hides does", at)
            return Global("?", "?", None)
        if self.loader and name in TORCH_STORAGES.split():
            return Global("torch", name, known.lookup("torch", name))
        if len(module) > _LONGEST_NAME or len(name) > _LONGEST_NAME:
            self.note(UNREAD, "long", f"imports a name of {len(module) + len(name):,} characters", at)
            return Global(module[:20], name[:20], None)
        module = known.RENAMED.get(module, module)
        if (module, name) in self.names:
            return self.names[module, name]
        rule = known.lookup(module, name)
        found = Global(module, name, rule)
        if len(self.names) < _MOST_KEPT:
            self.names[module, name] = found
        if rule is None:
            what = capability(module, name)
            code = EXECUTES if what else UNREAD
            says = f"which {what}" if what else "of which it is not known what it does"
            self.note(code, found.path, f"imports {shown(found.path, 200)}, {says}", at)
        return found

    def call(self, target: Value, args: Value, keywords: Value, at: int) -> Value:
        """Judge a call by the rule of what is called."""
        if not isinstance(args, tuple):
            self.note(UNREAD, "arguments", "calls with something else than a tuple of arguments", at)
            args = ()
        self._charge(args)
        if not isinstance(target, Global):
            self.note(UNREAD, "target", f"calls {preview(target)}, which is not a name", at)
            return self._result(target, args, None)
        if target.rule is None:
            self._called(target, args, at)
            return self._result(target, args, None)
        if target.path == "copyreg.__newobj__" and args:
            return self.make(args[0], args[1:], None, at)
        if target.path == "copyreg.__newobj_ex__" and len(args) == 3:
            return self.make(args[0], args[1], args[2], at)
        if target.path == "torch.storage._load_from_bytes":
            return self._nested_storage(target, args, at)
        complaint = "at all" if target.rule.call is None else target.rule.call(args)
        if complaint:
            self.note(UNREAD, f"call {target.path}", f"calls {target.path} {complaint}, as its library never does", at)
            return self._result(target, args, None)
        exact = _EXACT.get(target.path)
        if exact is not None:
            self._charge(args[0] if args else None)
            return exact(args)
        return self._result(target, args, args[0].rule if target.rule.makes_first else target.rule)

    def make(self, cls: Value, args: Value, keywords: Value, at: int) -> Value:
        """Judge an object made without its constructor."""
        if not isinstance(cls, Global) or not isinstance(args, tuple):
            self.note(UNREAD, "class", f"makes an object of {preview(cls)}, which is no class", at)
            return self._result(cls, (), None)
        self._charge(args)
        if cls.rule is None:
            self._called(cls, args, at)
            return self._result(cls, args, None)
        plain = keywords is None or (isinstance(keywords, Pairs) and not keywords.pairs)
        complaint = "at all" if cls.rule.new is None else cls.rule.new(args)
        if complaint or not plain:
            how = complaint or "with named arguments"
            self.note(UNREAD, f"make {cls.path}", f"makes a {cls.path} {how}, as its library never does", at)
        made = self._result(cls, args, cls.rule)
        made.kind = cls
        return made

    def build(self, target: Value, state: Value, machine: Machine, at: int) -> None:
        """Judge a state, and read what joblib's loader reads by itself when it gets the description of an array."""
        if not isinstance(target, Made):
            self.note(EXECUTES, "patch", f"sets attributes of {preview(target)} instead of an object of its own", at)
            return
        rule = target.rule
        self._charge(state)
        if rule is not None:
            complaint = "at all" if rule.state is None else rule.state(state)
            if complaint:
                code = EXECUTES if "replaces" in complaint else UNREAD
                self.note(code, f"state {target.path}", f"sets a state of {target.path} {complaint}", at)
        if (target.path == "numpy.dtype" or target.path in known.ARRAYS) and (target.state is not None or target.used):
            raise Broken(f"sets the state of a {target.path} that is in use")
        if target.path.startswith("sklearn.") and isinstance(state, Pairs) and isinstance(state.get("memory"), str):
            self.note(REACHES, "memory", f"keeps results of fits in {preview(state.get('memory'))}, and loads them", at)
        merges = isinstance(target.state, Pairs) and isinstance(state, Pairs)
        target.state = Pairs(target.state.pairs + state.pairs) if merges else state
        self._charge(target.state)
        wraps = rule is not None and isinstance(target.kind, Global) and target.kind.name == "NumpyArrayWrapper"
        self.has_raw_arrays |= wraps
        if wraps and self.raw_arrays:
            self._raw_array(target, machine, at)

    def fill(self, target: Value, how: str, at: int) -> list[Value] | list[tuple[Value, Value]]:
        """Judge contents put into something that is no plain container: they are handed to methods of its class."""
        if isinstance(target, Made):
            if target.rule is not None and target.rule.fills != how:
                self.note(UNREAD, f"fill {target.path}", f"fills a {target.path} like a {how}", at)
            return target.pairs if how == "dict" else target.items
        self.note(UNREAD, "fill", f"fills {preview(target)} like a {how}", at)
        return []

    def persistent(self, identity: Value, at: int) -> Value:
        """Understand storages of torch; nothing else has persistent identifiers."""
        if not self.loader:
            self.note(UNREAD, "persistent", "asks its loader for an object by a persistent identifier", at)
        elif not (isinstance(identity, tuple) and identity and identity[0] in ("storage", "module")):
            self.note(UNREAD, "persistent", f"asks torch for {preview(identity)}, which is no storage", at)
        elif identity[0] == "module":
            return identity[1] if len(identity) > 1 else None
        self.stored.append((identity, at))
        return Stored(identity)

    def outside(self, what: str, at: int) -> Value:
        """Nothing outside of the file is known."""
        self.note(UNREAD, what[:20], what, at)
        return Made(maker=None, args=())

    def odd(self, what: str, at: int) -> None:
        """What no pickler writes is not analysed."""
        self.note(UNREAD, what, what, at)

    def finish(self, value: Value) -> None:
        """Judge what is left when the pickle has ended: functions among the data, and bytes that are pickles."""
        made, self.made = self.made, []
        seen: set[int] = set()
        for part in inside([value, made]):
            if isinstance(part, Global) and part.rule is not None and not part.rule.datum:
                self.note(UNREAD, f"datum {part.path}", f"keeps the function {part.path} among its data", None)
            elif isinstance(part, bytes | Span | str) and id(part) not in seen:
                seen.add(id(part))
                if data := _pickled(part, self.piece.data):
                    self.inner.append(self.piece.inner("a pickle in bytes", data, format="pickle in bytes"))
        if len(self.inner) > _MOST_NAMES:
            self.note(UNREAD, "inner", f"holds more than {_MOST_NAMES:,} strings that begin as pickles do", None)
            del self.inner[_MOST_NAMES:]

    def _charge(self, value: Value) -> None:
        """Take what it costs to copy or check a collection off the budget: a pickle may name it millions of times."""
        budget = self.piece.budget
        if isinstance(value, str | bytes):
            budget.kept -= len(value)
        parts = value.pairs if isinstance(value, Pairs) else value.items if isinstance(value, Members) else value
        budget.opcodes -= len(parts) if isinstance(parts, list | tuple) else 0
        if budget.kept < 0 or budget.opcodes < 0:
            raise Broken("does more than is followed")

    def _called(self, target: Global, args: tuple[Value, ...], at: int) -> None:
        code = EXECUTES if capability(target.module, target.name) else UNREAD
        old = self.reasons.get((code, target.path))
        if old is not None and "calls" not in old.what:
            what = f"calls {shown(target.path, 200)}{preview(args)}" + old.what[old.what.find(", ") :]
            self.reasons[code, target.path] = Reason(code, self.piece.at(at), what)

    def _result(self, target: Value, args: tuple[Value, ...], rule: Known | None) -> Made:
        keeps = args
        if isinstance(target, Global) and target.path in _CONSUMING and rule is not None:
            keeps = tuple(arg for arg in args if not isinstance(arg, Global) or arg.rule is None or arg.rule.datum)
        kind = None
        if rule is not None and isinstance(target, Global):
            first = target.rule is not None and target.rule.makes_first
            kind = args[0] if first else target
        made = Made(maker=target, args=keeps, rule=rule, kind=kind)
        if isinstance(target, Global) and target.path in _PAIRED:
            made.pairs = _pairs_of(args)
        if isinstance(target, Global) and target.path == "torch._tensor._rebuild_from_type_v2" and rule is not None:
            made.maker, made.args = args[0], args[2]
        self.made.append(made)
        return made

    def _raw_array(self, wrapper: Made, machine: Machine, at: int) -> None:
        if machine.frame > machine.pos:
            # joblib's loader has read the rest of the frame already: its raw bytes lie elsewhere.
            raise Broken("describes an array in the middle of a frame")
        machine.frame = 0
        state = wrapper.state
        if not isinstance(state, Pairs):
            raise Broken("describes an array without its attributes")
        subclass, dtype, shape = state.get("subclass"), state.get("dtype"), array_types.shape_of(state.get("shape"))
        if not (isinstance(subclass, Global) and subclass.path in _RAW):
            raise Broken(f"describes an array of the class {preview(subclass)}")
        if shape is None:
            raise Broken("describes an array without a shape")
        element = array_types.real(dtype)
        if element.hasobject:
            wrapper.items.append(_follow(machine.data, machine.pos, self, machine))
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            machine.take(machine.take(1)[0])
        length = prod(shape) * element.itemsize
        if length > len(machine.data):
            raise Broken("describes an array that is longer than the file")
        start = machine.pos
        machine.take(length)
        wrapper.array = Span(start, length, "bytes")

    def _nested_storage(self, target: Global, args: tuple[Value, ...], at: int) -> Value:
        content = args[0] if len(args) == 1 else None
        data = bytes_of(content, self.piece.data)
        if data is None:
            self.note(UNREAD, "storage", "loads a storage from something else than bytes", at)
        else:
            self.inner.append(self.piece.inner(f"bytes at {at:,}", data))
        return self._result(target, args, target.rule)


_RAW = frozenset(("numpy.ndarray", "numpy.matrix", "numpy.matrixlib.defmatrix.matrix", "numpy.memmap"))
_CONSUMING = frozenset(
    (
        "numpy.random._pickle.__randomstate_ctor",
        "numpy.random._pickle.__generator_ctor",
        "torch._tensor._rebuild_from_type_v2",
    )
)
_PAIRED = frozenset(("collections.OrderedDict", "collections.Counter", "sklearn.utils._bunch.Bunch"))


def _pairs_of(args: tuple[Value, ...]) -> list[tuple[Value, Value]]:
    source = args[0] if args else None
    if isinstance(source, Pairs):
        return list(source.pairs)
    if isinstance(source, list | tuple):
        return [(pair[0], pair[1]) for pair in source if isinstance(pair, list | tuple) and len(pair) == 2]
    return []


def _items_of(args: tuple[Value, ...]) -> list[Value]:
    source = args[0] if args else []
    if isinstance(source, Members):
        return list(source.items)
    if isinstance(source, Pairs):
        return [key for key, _ in source.pairs]
    return list(source)


def _bytes_from(args: tuple[Value, ...]) -> Value:
    content = args[0] if args else b""
    if isinstance(content, str):
        return content.encode("latin-1", "replace")
    if isinstance(content, list):
        return bytes(item for item in content if isinstance(item, int) and 0 <= item < 256)
    return content


_EXACT: dict[str, Callable[[tuple[Value, ...]], Value]] = {
    "builtins.set": lambda args: Members(_items_of(args)),
    "builtins.frozenset": lambda args: Members(_items_of(args)),
    "builtins.list": _items_of,
    "builtins.tuple": lambda args: tuple(_items_of(args)),
    "builtins.bytes": _bytes_from,
    "builtins.bytearray": _bytes_from,
    "_codecs.encode": _bytes_from,
}
"""Calls with a result that is known."""


def bytes_of(value: Value, data: memoryview) -> memoryview | None:
    """The bytes behind a value, kept or left in the file; None where it is none."""
    if isinstance(value, Span):
        return data[value.start : value.start + value.length] if value.kind == "bytes" else None
    return memoryview(value) if isinstance(value, bytes) else None


_BEGINS = frozenset("(]}ci\x80")
_LOOKS = re.compile(rb"\x80[\x02-\x05]|[(\]}]?[ci][A-Za-z_][\w.]{0,60}\n[A-Za-z_][\w.]{0,60}\n")


def _pickled(value: Value, data: memoryview) -> memoryview | None:
    """The bytes of a value that begins as a pickle does, None where it does not."""
    if isinstance(value, str):
        if value[:1] not in _BEGINS:
            return None
        # Byte strings of Python 2 are text by now.
        value = value.encode("latin-1", "ignore") if _LOOKS.match(value[:130].encode("latin-1", "ignore")) else b""
    raw = bytes_of(value, data)
    return raw if raw is not None and len(raw) > 3 and _LOOKS.match(bytes(raw[:130])) else None


def _follow(data: memoryview, start: int, judge: Inspector, outer: Machine) -> Value:
    """A pickle in the middle of another one, as joblib writes arrays of objects."""
    machine = Machine(data, start, judge, judge.piece.budget)
    machine.depth = outer.depth + 1
    if machine.depth > judge.piece.budget.limits.depth:
        raise Broken("nests pickles too deeply")
    value = machine.run()
    outer.pos = machine.pos
    return value
