"""Conditions on the rows of a table."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezoar.attacks.poisoning.predicate import satisfying
from bezoar.core.errors import ParameterError

TABLE = pa.table(
    {
        "age": [1, 70, None, 65],
        "hours per week": [40.0, 20.5, 60.0, None],
        "brand": pa.array(["R and D", "x<y", None, "plain"]).dictionary_encode(),
        "ill": [True, False, None, True],
    }
)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("age > 60", [1, 3]),
        ("age>=65", [1, 3]),
        ("age > 65.5", [1]),
        ("age != 1", [1, 3]),
        ("age == 1", [0]),
        ("hours per week < 40.5", [0, 1]),
        ("'hours per week' <= 40 and age > 60", [1]),
        ("brand = plain", [3]),
        ('brand = "R and D"', [0]),
        ("brand = 'x<y'", [1]),
        ("brand != plain and age < 60", [0]),
        ("ill = true", [0, 3]),
    ],
)
def test_a_condition_holds_where_it_says_and_never_for_a_missing_value(condition, rows):
    np.testing.assert_array_equal(np.flatnonzero(satisfying(TABLE, condition)), rows)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "must not be empty"),
        ("age > 60 and", "end in"),
        ("age >", "unclear from"),
        ("age > 60 or ill = true", "unclear from"),
        ("__import__('os') = 1", "unclear from"),
        ("height > 1", "no column 'height'"),
        ("age > old", "does not compare"),
    ],
)
def test_a_condition_that_means_nothing_is_refused(condition, message):
    with pytest.raises(ParameterError, match=message):
        satisfying(TABLE, condition)


@given(st.text(max_size=60))
def test_any_text_is_either_a_condition_or_a_parameter_error(condition):
    try:
        rows = satisfying(TABLE, condition)
    except ParameterError:
        return
    assert rows.shape == (4,)
