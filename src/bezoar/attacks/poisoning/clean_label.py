"""What attacks with right labels share: only rows of the target class are changed, and their labels stay."""

import numpy as np
from numpy.typing import NDArray

from bezoar.attacks.poisoning.budget import budget, draw
from bezoar.core.data import Dataset
from bezoar.core.errors import ParameterError


def draw_own(
    data: Dataset,
    target: int,
    *,
    rate: float | None,
    count: int | None,
    share: float,
    supplier: str | None,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Rows of the target class: `count`, or `rate` as a share of all rows, else `share` of the class.

    Raises
    ------
    ParameterError
        Both a rate and a count, more rows than the class has, or an unknown supplier.
    """
    own = data.rows_of(target)
    wanted = budget(rate=rate, count=count, of=len(data), default=share * len(own) / len(data))
    if wanted > len(own):
        raise ParameterError(
            f"{wanted} rows are to be changed, but only rows of the target class {data.classes[target]!r} can be, of which "
            f"there are {len(own)} of {len(data)}. Choose a `rate` of at most {np.floor(1e3 * len(own) / len(data)) / 1e3:g} "
            "or another `target`."
        )
    return draw(data, own, wanted, supplier=supplier, rng=rng)
