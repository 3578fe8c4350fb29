"""The pickle machine with its hands tied: it follows every instruction and imports, calls and sets nothing.

Instructions, stack, marks and memo are those of the reference implementation (``Lib/pickle.py``, protocols 0 to 5).
Whatever would act, such as importing a name, calling it or setting a state, is put to a judge, who says what
stands for the result. Where the reference and the accelerated implementation differ, or either would stop, the
machine stops.
"""

import re
import struct
from collections.abc import Callable
from functools import partial
from typing import Protocol

from bezoar.learn.modelfiles.pickle_values import LONGEST_KEPT, Members, Pairs, Span, Value
from bezoar.learn.modelfiles.pieces import Budget

_LONGEST_LINE = 2**20
_LONGEST_NUMBER = 4_000
HIGHEST_PROTOCOL = 5


class Broken(Exception):
    """The machine cannot follow: a real one would stop here as well, or do something else."""


class Judge(Protocol):
    """Who is asked about everything that would act. `at` is the byte of the instruction."""

    def find(self, module: Value, name: Value, at: int) -> Value:
        """A name is imported."""
        ...

    def call(self, target: Value, args: Value, keywords: Value, at: int) -> Value:
        """Something is called."""
        ...

    def make(self, cls: Value, args: Value, keywords: Value, at: int) -> Value:
        """``cls.__new__`` is called."""
        ...

    def build(self, target: Value, state: Value, machine: "Machine", at: int) -> None:
        """A state is set. The judge may move the machine on, where the loader reads bytes of its own."""
        ...

    def fill(self, target: Value, how: str, at: int) -> list[Value] | list[tuple[Value, Value]]:
        """Something other than a plain list, dict or set is filled: where to put the contents."""
        ...

    def persistent(self, identity: Value, at: int) -> Value:
        """An object is asked for by a persistent identifier."""
        ...

    def outside(self, what: str, at: int) -> Value:
        """The loader's own tables are asked: extension registry, buffers out of band."""
        ...

    def odd(self, what: str, at: int) -> None:
        """Something that no pickler writes, though it can be followed."""
        ...


class Machine:
    """Follows one pickle.

    Parameters
    ----------
    data, start : the bytes, and where the pickle begins.
    judge : who is asked.
    budget : what may still be spent.
    """

    def __init__(self, data: memoryview, start: int, judge: Judge, budget: Budget) -> None:
        self.data, self.pos, self.judge, self.budget = data, start, judge, budget
        self.size = len(data)
        self.stack: list[Value] = []
        self.below: list[list[Value]] = []
        self.memo: dict[int, Value] = {}
        self.protocol = 0
        self.frame = 0
        self.at = start
        self.depth = 0

    def run(self) -> Value:
        """Follow the pickle to its STOP, and give what it would load. ``pos`` is then the byte after it.

        Raises
        ------
        Broken
            It cannot be followed; ``at`` is the byte of the instruction.
        """
        data, handlers, budget = self.data, _HANDLERS, self.budget
        try:
            while True:
                self.at = at = self.pos
                if at >= self.size:
                    raise Broken("ends without STOP")
                code = data[at]
                self.pos = at + 1
                if budget.opcodes <= 0:
                    raise Broken(f"has more than {budget.limits.opcodes:,} instructions")
                budget.opcodes -= 1
                if code == 0x2E:
                    return self.stack.pop()
                handler = handlers.get(code)
                if handler is None:
                    raise Broken(f"has no instruction {code:#04x}")
                handler(self)
                if self.frame and self.pos >= self.frame:
                    if self.pos > self.frame:
                        self.judge.odd("an instruction runs over the end of its frame", at)
                    self.frame = 0
        except IndexError:
            raise Broken("takes more from the stack than there is") from None
        except (ValueError, OverflowError, struct.error) as error:
            raise Broken(f"has an argument that does not read: {error}") from None

    def take(self, count: int) -> memoryview:
        """The next bytes."""
        if count < 0 or count > self.size - self.pos:
            raise Broken(f"wants {count:,} bytes where {self.size - self.pos:,} are left")
        self.pos += count
        return self.data[self.pos - count : self.pos]

    def line(self) -> bytes:
        """The bytes before the next line end, which is skipped."""
        start, width = self.pos, 128
        while True:
            text = bytes(self.data[start : start + width])
            end = text.find(b"\n")
            if end >= 0:
                self.pos = start + end + 1
                return text[:end]
            if start + width >= self.size or width > _LONGEST_LINE:
                raise Broken("has a line without end")
            width *= 4

    def marked(self) -> list[Value]:
        """What lies above the last mark, which goes."""
        if not self.below:
            raise Broken("wants a mark where there is none")
        items, self.stack = self.stack, self.below.pop()
        return items

    def remember(self, index: int) -> None:
        """Put the top of the stack in the memo."""
        if index < 0:
            raise Broken("has a negative place in the memo")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Put a remembered value on the stack."""
        if index not in self.memo:
            raise Broken(f"remembers {index}, which was never put there")
        self.stack.append(self.memo[index])

    def string(self, length: int, kind: str) -> None:
        """Text in UTF-8, or bytes, of this length: kept where it is short."""
        start = self.pos
        raw = self.take(length)
        if length > LONGEST_KEPT:
            self.stack.append(Span(start, length, kind))
            return
        self.budget.kept -= length
        if self.budget.kept < 0:
            raise Broken(f"has more than {self.budget.limits.kept_bytes:,} bytes of short strings")
        self.stack.append(str(raw, "utf-8", "surrogatepass") if kind == "str" else bytes(raw))

    def number(self, form: struct.Struct) -> int:
        """The next integer in this form."""
        (value,) = form.unpack_from(self.data, self.pos)
        self.pos += form.size
        return int(value)


_B, _H, _I, _Q, _SIGNED = (struct.Struct(form) for form in ("<B", "<H", "<I", "<Q", "<i"))
Handler = Callable[[Machine], None]
_HANDLERS: dict[int, Handler] = {}


def _on(*codes: bytes) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        _HANDLERS.update({code[0]: handler for code in codes})
        return handler

    return keep


def _constant(value: Value, m: Machine) -> None:
    m.stack.append(value)


def _empty(make: Callable[[], Value], m: Machine) -> None:
    m.stack.append(make())


def _number(form: struct.Struct, m: Machine) -> None:
    m.stack.append(m.number(form))


def _counted(form: struct.Struct, kind: str, m: Machine) -> None:
    m.string(m.number(form), kind)


def _put(form: struct.Struct, m: Machine) -> None:
    m.remember(m.number(form))


def _get(form: struct.Struct, m: Machine) -> None:
    m.recall(m.number(form))


def _gathered(make: Callable[[list[Value]], Value], m: Machine) -> None:
    items = m.marked()
    m.stack.append(make(items))


def _tuple(count: int, m: Machine) -> None:
    m.stack.append(_popped(m, count))


def _popped(m: Machine, count: int) -> tuple[Value, ...]:
    if len(m.stack) < count:
        raise IndexError
    items = tuple(m.stack[-count:])
    del m.stack[-count:]
    return items


_HANDLERS.update(
    {ord("N"): partial(_constant, None), 0x88: partial(_constant, True), 0x89: partial(_constant, False)}
    | {ord("]"): partial(_empty, list), ord("}"): partial(_empty, Pairs), 0x8F: partial(_empty, Members)}
    | {ord("J"): partial(_number, _SIGNED), ord("K"): partial(_number, _B), ord("M"): partial(_number, _H)}
    | {ord("q"): partial(_put, _B), ord("r"): partial(_put, _I)}
    | {ord("h"): partial(_get, _B), ord("j"): partial(_get, _I)}
    | {ord("X"): partial(_counted, _I, "str"), 0x8C: partial(_counted, _B, "str")}
    | {0x8D: partial(_counted, _Q, "str"), ord("B"): partial(_counted, _I, "bytes")}
    | {ord("C"): partial(_counted, _B, "bytes"), 0x8E: partial(_counted, _Q, "bytes")}
    | {0x96: partial(_counted, _Q, "bytes"), ord(")"): partial(_empty, tuple)}
    | {ord("t"): partial(_gathered, tuple), ord("l"): partial(_gathered, list), 0x91: partial(_gathered, Members)}
    | {0x85: partial(_tuple, 1), 0x86: partial(_tuple, 2), 0x87: partial(_tuple, 3)}
)


@_on(b"p")
def _put_line(m: Machine) -> None:
    m.remember(int(m.line()))


@_on(b"g")
def _get_line(m: Machine) -> None:
    m.recall(int(m.line()))


@_on(b"\x94")
def _memoize(m: Machine) -> None:
    m.remember(len(m.memo))


@_on(b"\x80")
def _proto(m: Machine) -> None:
    m.protocol = m.number(_B)
    if m.protocol > HIGHEST_PROTOCOL:
        raise Broken(f"asks for protocol {m.protocol}")


@_on(b"\x95")
def _frame(m: Machine) -> None:
    length = m.number(_Q)
    if m.frame > m.pos:
        m.judge.odd("a frame begins within another", m.at)
    if length > m.size - m.pos:
        raise Broken("has a frame that is longer than the file")
    m.frame = m.pos + length


@_on(b"(")
def _mark(m: Machine) -> None:
    m.below.append(m.stack)
    m.stack = []


@_on(b"0")
def _pop(m: Machine) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.marked()


@_on(b"1")
def _pop_mark(m: Machine) -> None:
    m.marked()


@_on(b"2")
def _dup(m: Machine) -> None:
    m.stack.append(m.stack[-1])


@_on(b"I")
def _int(m: Machine) -> None:
    text = m.line()
    if len(text) > _LONGEST_NUMBER:
        raise Broken("has a number of thousands of digits")
    m.stack.append({b"00": False, b"01": True}[text] if text in (b"00", b"01") else int(text, 0))


@_on(b"L")
def _long(m: Machine) -> None:
    text = m.line().removesuffix(b"L")
    if len(text) > _LONGEST_NUMBER:
        raise Broken("has a number of thousands of digits")
    m.stack.append(int(text, 0))


@_on(b"\x8a")
def _long1(m: Machine) -> None:
    m.stack.append(int.from_bytes(m.take(m.number(_B)), "little", signed=True))


@_on(b"\x8b")
def _long4(m: Machine) -> None:
    length = m.number(_SIGNED)
    raw = m.take(length)
    m.stack.append(Span(m.pos - length, length, "int") if length > LONGEST_KEPT else _integer(raw))


def _integer(raw: memoryview) -> int:
    return int.from_bytes(raw, "little", signed=True)


@_on(b"F")
def _float(m: Machine) -> None:
    m.stack.append(float(m.line()))


@_on(b"G")
def _binfloat(m: Machine) -> None:
    m.stack.append(struct.unpack(">d", m.take(8))[0])


@_on(b"S")
def _quoted(m: Machine) -> None:
    text = m.line()
    if len(text) < 2 or text[0] != text[-1] or text[:1] not in (b"'", b'"'):
        raise Broken("has a string without quotes")
    m.stack.append(_ESCAPES.sub(_unescaped, text[1:-1]).decode("latin-1"))


_ESCAPES = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.?))", re.DOTALL)
_LETTERS = dict(
    zip(b"abfnrtv\\'\"\n", (b"\a", b"\b", b"\f", b"\n", b"\r", b"\t", b"\v", b"\\", b"'", b'"', b""), strict=True)
)


def _unescaped(match: re.Match[bytes]) -> bytes:
    """What an escape in a quoted string stands for; unknown ones stay as they are."""
    if match[1] or match[2]:
        return bytes((int(match[1], 16) if match[1] else int(match[2], 8) & 255,))
    if match[3] in (b"x", b""):
        raise ValueError("an escape without its rest")
    return _LETTERS.get(match[3][0], match[0])


@_on(b"T")
def _binstring(m: Machine) -> None:
    _latin(m, m.number(_SIGNED))


@_on(b"U")
def _short_binstring(m: Machine) -> None:
    _latin(m, m.number(_B))


def _latin(m: Machine, length: int) -> None:
    """A byte string of Python 2: text or bytes, as the loader's `encoding` asks. Names are ASCII in any of them."""
    m.string(length, "bytes")
    if isinstance(m.stack[-1], bytes):
        m.stack[-1] = m.stack[-1].decode("latin-1")


@_on(b"V")
def _unicode(m: Machine) -> None:
    m.stack.append(str(m.line(), "raw-unicode-escape"))


@_on(b"a")
def _append(m: Machine) -> None:
    value = m.stack.pop()
    _extend(m, [value])


@_on(b"e")
def _appends(m: Machine) -> None:
    _extend(m, m.marked())


def _extend(m: Machine, items: list[Value]) -> None:
    target = m.stack[-1]
    (target if type(target) is list else m.judge.fill(target, "list", m.at)).extend(items)


@_on(b"s")
def _setitem(m: Machine) -> None:
    key, value = _popped(m, 2)
    _set(m, [key, value])


@_on(b"u")
def _setitems(m: Machine) -> None:
    _set(m, m.marked())


@_on(b"d")
def _dict(m: Machine) -> None:
    items = m.marked()
    m.stack.append(Pairs())
    _set(m, items)


def _set(m: Machine, items: list[Value]) -> None:
    target = m.stack[-1]
    if len(items) % 2:
        raise Broken("sets a key without a value")
    pairs = target.pairs if type(target) is Pairs else m.judge.fill(target, "dict", m.at)
    pairs.extend(zip(items[::2], items[1::2], strict=True))


@_on(b"\x90")
def _additems(m: Machine) -> None:
    items = m.marked()
    target = m.stack[-1]
    (target.items if type(target) is Members else m.judge.fill(target, "set", m.at)).extend(items)


@_on(b"c")
def _global(m: Machine) -> None:
    module, name = (m.line().decode("utf-8") for _ in range(2))
    m.stack.append(m.judge.find(module, name, m.at))


@_on(b"\x93")
def _stack_global(m: Machine) -> None:
    module, name = _popped(m, 2)
    m.stack.append(m.judge.find(module, name, m.at))


@_on(b"i")
def _inst(m: Machine) -> None:
    module, name = (m.line().decode("ascii") for _ in range(2))
    args = tuple(m.marked())
    m.stack.append(m.judge.call(m.judge.find(module, name, m.at), args, None, m.at))


@_on(b"o")
def _obj(m: Machine) -> None:
    target, *args = m.marked()
    m.stack.append(m.judge.call(target, tuple(args), None, m.at))


@_on(b"R")
def _reduce(m: Machine) -> None:
    target, args = _popped(m, 2)
    m.stack.append(m.judge.call(target, args, None, m.at))


@_on(b"\x81")
def _newobj(m: Machine) -> None:
    cls, args = _popped(m, 2)
    m.stack.append(m.judge.make(cls, args, None, m.at))


@_on(b"\x92")
def _newobj_ex(m: Machine) -> None:
    cls, args, keywords = _popped(m, 3)
    m.stack.append(m.judge.make(cls, args, keywords, m.at))


@_on(b"b")
def _build(m: Machine) -> None:
    state = m.stack.pop()
    m.judge.build(m.stack[-1], state, m, m.at)


@_on(b"P")
def _persid(m: Machine) -> None:
    m.stack.append(m.judge.persistent(m.line().decode("ascii"), m.at))


@_on(b"Q")
def _binpersid(m: Machine) -> None:
    m.stack.append(m.judge.persistent(m.stack.pop(), m.at))


@_on(b"\x82", b"\x83", b"\x84")
def _extension(m: Machine) -> None:
    code = m.number({0x82: _B, 0x83: _H, 0x84: _SIGNED}[m.data[m.at]])
    m.stack.append(m.judge.outside(f"asks the extension registry for entry {code}", m.at))


@_on(b"\x97")
def _next_buffer(m: Machine) -> None:
    m.stack.append(m.judge.outside("asks for a buffer that is not in the file", m.at))


@_on(b"\x98")
def _readonly_buffer(m: Machine) -> None:
    if not m.stack:
        raise IndexError
