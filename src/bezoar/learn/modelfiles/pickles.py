"""Pickles and joblib's files, and bytes that may be pickles whatever they are named."""

import contextlib
import re
from collections.abc import Iterator

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles.capabilities import capability
from bezoar.learn.modelfiles.inspector import Inspector
from bezoar.learn.modelfiles.pickle_machine import Broken, Machine
from bezoar.learn.modelfiles.pickle_values import Value
from bezoar.learn.modelfiles.pieces import Budget, Limits, Piece, shown
from bezoar.learn.modelfiles.verdict import EXECUTES, UNREAD, Reason

_MOST_NAMES = 1_000


def follow(piece: Piece, start: int, inspector: Inspector) -> tuple[Value, int]:
    """Follow a pickle that begins at a byte; its value and where it ends.

    Raises
    ------
    InputError
        It cannot be followed. What it did before that is in the inspector's reasons all the same.
    """
    machine = Machine(piece.data, start, inspector, piece.budget)
    try:
        value = machine.run()
    except Broken as error:
        inspector.finish(machine.stack)
        raise InputError(f"byte {machine.at:,}: the pickle {error}; not followed further") from error
    inspector.finish(value)
    return value, machine.pos


def scan(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge one pickle or several, one after another, to the last byte."""
    start, inspector = 0, Inspector(piece)
    try:
        while start < len(piece.data):
            _, start = follow(piece, start, inspector)
    except InputError as error:
        said = f"{len(piece.data) - start:,} bytes follow the pickle. " if start else ""
        yield Reason(UNREAD, piece.where, f"{said}{error}")
        yield from names_in(piece, start)
    yield from inspector.reasons.values()
    yield from inspector.inner
    if inspector.has_raw_arrays:
        yield from _without_joblib(piece)


def _without_joblib(piece: Piece) -> Iterator[Reason]:
    """What Python's own loader would import from joblib's file: it takes the raw bytes of arrays for instructions."""
    inspector = Inspector(piece)
    inspector.raw_arrays = False
    with contextlib.suppress(Broken):
        Machine(piece.data, 0, inspector, Budget(limits=piece.budget.limits)).run()
    for (code, key), reason in inspector.reasons.items():
        if code == EXECUTES or _PATH.fullmatch(key):
            yield Reason(reason.code, reason.where, f"loaded without joblib it {reason.what}")


def scan_bytes(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge bytes that only look like a pickle: they may be something else, so that one that breaks is none."""
    inspector = Inspector(piece)
    try:
        follow(piece, 0, inspector)
    except InputError:
        yield from (reason for reason in inspector.reasons.values() if reason.code == EXECUTES)
        return
    yield from inspector.reasons.values()
    yield from inspector.inner


def is_whole(piece: Piece) -> bool:
    """Whether the bytes are one pickle from the first to the last, whatever it does."""
    machine = Machine(piece.data, 0, Inspector(piece), Budget(limits=_PROBE))
    try:
        machine.run()
    except Broken:
        return False
    return len(piece.data) - machine.pos <= 1 and machine.pos > 2


def acts(piece: Piece, *, unknown: bool) -> list[Reason]:
    """What bytes that are no pickle by their format would do to somebody who loads them as one.

    Parameters
    ----------
    unknown : also tell imports of names of which nothing is known. Text begins with what looks like one by chance.
    """
    inspector, budget = Inspector(piece), Budget(limits=_PROBE)
    with contextlib.suppress(Broken):
        Machine(piece.data, 0, inspector, budget).run()
    found = [
        reason
        for (code, key), reason in inspector.reasons.items()
        if code == EXECUTES or (unknown and _PATH.fullmatch(key))
    ]
    if budget.opcodes <= 0 or budget.kept < 0:
        found.append(Reason(UNREAD, piece.where, "does more than is followed of a file that is no pickle"))
    return found


_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def may_begin(head: bytes) -> bool:
    """Whether a pickle can begin with these bytes."""
    return head[:1] in _FIRST


_PROBE = Limits(opcodes=200_000, kept_bytes=2**26)
_FIRST = [bytes((code,)) for code in b"\x80(cIJKLMNSTUVXBCFG]})\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96\x97"]


def names_in(piece: Piece, start: int) -> Iterator[Reason]:
    """Names that act, in bytes that cannot be followed: they are sought as text."""
    tail = bytes(piece.data[start : start + _SEARCHED])
    found: set[tuple[str, str]] = set()
    for match in _NAMES.finditer(tail):
        module, name = (part.decode() for part in match.groups() if part is not None)
        what = capability(module, name)
        if what and (module, name) not in found and len(found) < _MOST_NAMES:
            found.add((module, name))
            where = piece.at(start + match.start())
            yield Reason(EXECUTES, where, f"names {shown(f'{module}.{name}')}, which {what}, after the break")


_SEARCHED = 64 * 2**20
_WORD = rb"([A-Za-z_][A-Za-z0-9_.]{0,60})"
_NAMES = re.compile(
    rb"[ci]" + _WORD + rb"\n" + _WORD + rb"\n|\x8c." + _WORD + rb"\x94?\x8c." + _WORD + rb"\x94?\x93", re.DOTALL
)
"""As GLOBAL and INST have them, and as two short strings before STACK_GLOBAL."""
