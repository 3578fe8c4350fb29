"""numpy's element types as pickles describe them: how many bytes an element has, and whether it is an object."""

import warnings
from typing import Any

import numpy as np

from bezoar.learn.modelfiles.pickle_machine import Broken
from bezoar.learn.modelfiles.pickle_values import Global, Made, inside, preview


def has_objects(dtype: Made) -> bool:
    """Whether elements of this type are Python objects, so that an array of them is a pickle."""
    found = False
    for count, part in enumerate(inside(dtype)):
        if count > _MOST_PARTS:
            raise Broken("has a type of too many parts")
        if isinstance(part, Made) and part.path == "numpy.dtype":
            state = part.state
            flags = state[7] if isinstance(state, tuple) and len(state) > 7 else 0
            if type(flags) is not int:
                raise Broken("has a type with flags that are no number")
            found |= _plain_type(part).hasobject or bool(flags & _REFCOUNTED)
    return found


_MOST_PARTS = 10_000
_REFCOUNTED = 1
"""NPY_ITEM_REFCOUNT: the flag that numpy's ``hasobject`` looks at."""


def item_size(dtype: Made) -> int:
    """Bytes of an element. As in numpy, the state tells it of text, bytes and records only."""
    plain, state = _plain_type(dtype), dtype.state
    told = state[5] if isinstance(state, tuple) and len(state) > 5 else -1
    if type(told) is not int:
        raise Broken("has a type with a size that is no number")
    return told if plain.kind in "SUV" and told >= 0 else plain.itemsize


def _plain_type(dtype: Made) -> "np.dtype[Any]":
    name = dtype.args[0] if dtype.args else None
    name = name.name if isinstance(name, Global) and name.module == "numpy" else name
    if not isinstance(name, str):
        raise Broken(f"has elements of the type {preview(name)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.dtype(name)
    except (TypeError, ValueError, SyntaxError) as error:
        raise Broken(f"has elements of the type {preview(name)}") from error
