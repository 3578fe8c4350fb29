"""Types that carry their own range, and the one function that checks them.

A method declares ``rate: Fraction`` and calls :func:`validate` in ``__post_init__`` (or inherits
:class:`Validated`); the message then names the field, what was wanted and what came.
"""

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any

from bezoar.core.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Range:
    """An interval of numbers. ``low_open`` and ``high_open`` leave the end itself out."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"{'>' if self.low_open else '>='} {self.low:g}"
        opening, closing = "(" if self.low_open else "[", ")" if self.high_open else "]"
        return f"in {opening}{self.low:g}, {self.high:g}{closing}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A closed set of words."""

    words: tuple[str, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.words

    def __str__(self) -> str:
        return "one of " + ", ".join(self.words)


Fraction = Annotated[float, Range(0, 1, low_open=True)]
"""A share, in (0, 1]."""
Level = Annotated[float, Range(0, 1, low_open=True, high_open=True)]
"""A probability that is neither 0 nor 1."""
Count = Annotated[int, Range(1)]
"""A whole number of at least 1."""
Index = Annotated[int, Range(0)]
"""A whole number of at least 0."""
Positive = Annotated[float, Range(0, low_open=True)]
"""A number above 0."""


def check(name: str, value: Any, annotation: Any) -> None:
    """Raise ``ParameterError`` unless `value` fits `annotation` and its ranges."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        base, *limits = typing.get_args(annotation)
        check(name, value, base)
        for limit in limits:
            if isinstance(limit, Range | OneOf) and value not in limit:
                raise ParameterError(f"`{name}` must be {limit}. Got {value!r}.")
    elif origin in (types.UnionType, typing.Union):
        members = typing.get_args(annotation)
        if value is None and type(None) in members:
            return
        errors = []
        for member in (m for m in members if m is not type(None)):
            try:
                check(name, value, member)
            except ParameterError as error:
                errors.append(error)
            else:
                return
        raise errors[0]
    elif annotation is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise ParameterError(f"`{name}` must be a number. Got {value!r}.")
    elif annotation is int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ParameterError(f"`{name}` must be a whole number. Got {value!r}.")
    elif annotation in (str, bool) and not isinstance(value, annotation):
        kind = "text" if annotation is str else "true or false"
        raise ParameterError(f"`{name}` must be {kind}. Got {value!r}.")


def validate(instance: Any) -> None:
    """Check every field of a dataclass against its annotation."""
    hints = typing.get_type_hints(type(instance), include_extras=True)
    for field in dataclasses.fields(instance):
        check(field.name, getattr(instance, field.name), hints[field.name])


class Validated:
    """Base for methods: their fields are checked when they are made."""

    __slots__ = ()

    def __post_init__(self) -> None:
        validate(self)
