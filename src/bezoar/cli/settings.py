"""Method parameters given as text on the command line."""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any

from bezoar.core.errors import ParameterError, UsageError


def configured(method: type[Any], settings: Sequence[str]) -> Any:
    """The method with ``key=value`` settings, each read as its field's type; the rest keep their defaults.

    Raises
    ------
    UsageError
        A setting without "=", given twice, or that names no field.
    ParameterError
        A value that does not fit its field.
    """
    import pydantic

    hints = typing.get_type_hints(method, include_extras=True)
    fields = [field.name for field in dataclasses.fields(method)]
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not equals:
            raise UsageError(f"`--set` takes key=value. Got {setting!r}.")
        if key not in fields:
            raise UsageError(f"no parameter {key!r}. There are: {', '.join(fields)}.")
        if key in values:
            raise UsageError(f"`{key}` is set twice.")
        if str in typing.get_args(hints[key]):
            # Where text is welcome it stays text, so that a class named "7" is found by its name.
            values[key] = text
            continue
        try:
            values[key] = pydantic.TypeAdapter(hints[key]).validate_strings(text)
        except pydantic.ValidationError as error:
            raise ParameterError(f"`{key}`: {error.errors()[0]['msg']}. Got {text!r}.") from error
    return method(**values)
