"""Text from audited data made fit to be shown: one line, bounded, with nothing in it that acts on a screen.

Every rendering except the canonical JSON starts from :func:`document`. Escaping for its own format stays each
renderer's duty.
"""

import dataclasses
import re
import unicodedata
from enum import Enum
from typing import Any

from bezoar.core.report import Document, Picture, Report

_UNIT, _NAME, _PROSE = 24, 160, 1500
_PROSE_FIELDS = frozenset({"summary", "remedy", "detail", "note", "notes", "caption", "why", "command"})
_JOINERS = "\u200c\u200d"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_PICTURE_BYTES = 400_000
_MARKS_IN_A_ROW = 3


def text(value: str, limit: int = _NAME) -> str:
    """One line of at most `limit` characters, with invisible and reordering characters written out.

    Control characters, bidirectional overrides, lone surrogates and the like become their escapes, such as
    ``\\u202e``; white space becomes one space; what is cut off is counted. Piles of combining marks are thinned.
    """
    total = len(value)
    line = " ".join(value[: 4 * limit].split())
    kept, marks = [], 0
    for character in line:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MARKS_IN_A_ROW:
            continue
        hidden = category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and character not in _JOINERS
        kept.append(character.encode("unicode_escape").decode() if hidden else character)
    shown = "".join(kept)
    if len(shown) <= limit and total <= 4 * limit:
        return shown
    return f"{shown[:limit].rstrip()}… ({total:,} characters)"


def document(report: Document) -> Document:
    """The report without its rows, every text in it made safe to show. Pictures that are no base64 text are dropped."""
    values = {field.name: getattr(report, field.name) for field in dataclasses.fields(Document)}
    return Document(**{name: _shown(value, _limit(name)) for name, value in values.items()})


def _limit(field: str) -> int:
    if field == "unit":
        return _UNIT
    return _PROSE if field in _PROSE_FIELDS else _NAME


def _shown(value: Any, limit: int) -> Any:
    if value is None or isinstance(value, Enum | bool | int | float):
        return value
    if isinstance(value, str):
        return text(value, limit)
    if isinstance(value, dict):
        return {text(str(key)): _shown(member, limit) for key, member in value.items()}
    if isinstance(value, tuple | list):
        members = (_shown(member, limit) for member in value if not _broken(member))
        return tuple(members)
    if isinstance(value, Picture):
        return dataclasses.replace(value, caption=text(value.caption, _PROSE))
    if dataclasses.is_dataclass(value) and not isinstance(value, type | Report):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return type(value)(**{name: None if _broken(v) else _shown(v, _limit(name)) for name, v in fields.items()})
    return text(str(value), limit)


def _broken(value: Any) -> bool:
    """A picture whose bytes cannot stand in a page."""
    return isinstance(value, Picture) and (
        len(value.png) > _PICTURE_BYTES
        or _BASE64.fullmatch(value.png) is None
        or not value.png.startswith("iVBORw0KGgo")
    )
