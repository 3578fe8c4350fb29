"""What every method must keep."""

import dataclasses
import pickle
from typing import Any

from bezoar.checks.promises import promise


def is_a_documented_frozen_dataclass(method: type[Any]) -> None:
    """The docstring has a first line and references; fields have defaults and cannot be changed."""
    first, *rest = (method.__doc__ or "").strip().splitlines() or [""]
    promise(method, first.endswith(".") and not first.startswith(f"{method.__name__}("), "has a one-line summary")
    promise(method, any(line.strip() == "References" for line in rest), "names its references")
    promise(method, dataclasses.is_dataclass(method), "is a dataclass")
    parameters = method.__dataclass_params__
    promise(method, parameters.frozen, "is frozen")
    fields = dataclasses.fields(method)
    has_defaults = all(
        field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING for field in fields
    )
    promise(method, has_defaults, "has a default for every field")
    promise(method, all(field.kw_only for field in fields), "takes its fields by keyword only")
    documented = all(field.name in (method.__doc__ or "") for field in fields)
    promise(method, documented, "documents every field")


def survives_pickling(method: type[Any]) -> None:
    """Its configuration can be sent to another process."""
    made = method()
    promise(method, pickle.loads(pickle.dumps(made)) == made, "equals itself after pickling")
