"""Where on an image a square patch lies."""

import re

import numpy as np
from numpy.typing import NDArray

from bezoar.core.errors import ParameterError


def square(place: str, size: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(h, w) True in a square of `size` pixels a side.

    Parameters
    ----------
    place : "top_left", "top_right", "bottom_left", "bottom_right", "centre", or "row,column" of its upper left pixel.
    shape : height and width of the image in pixels.

    Raises
    ------
    ParameterError
        A place that is none of these, or a square that does not fit there.
    """
    height, width = shape
    row, column = _corner(place, height - size, width - size)
    if not (0 <= row <= height - size and 0 <= column <= width - size):
        raise ParameterError(
            f"a patch of `size` {size} at `place` {place!r} does not fit images of {height} x {width}."
        )
    inside = np.zeros(shape, dtype=bool)
    inside[row : row + size, column : column + size] = True
    return inside


def _corner(place: str, lowest: int, rightmost: int) -> tuple[int, int]:
    places = {
        "top_left": (0, 0),
        "top_right": (0, rightmost),
        "bottom_left": (lowest, 0),
        "bottom_right": (lowest, rightmost),
        "centre": (lowest // 2, rightmost // 2),
    }
    if place in places:
        return places[place]
    if match := re.fullmatch(r"\s*([0-9]{1,6})\s*,\s*([0-9]{1,6})\s*", place):
        return int(match[1]), int(match[2])
    raise ParameterError(f'`place` must be {", ".join(places)} or "row,column". Got {place!r}.')
