"""Fleets: their parts, the work on them, and the verdicts on the models of a null made with one."""

import dataclasses
import math

import numpy as np
import pytest
from benchmarks.fleet import CLEAN, CLOTHES, PHOTOS, spread
from benchmarks.fleet_audits import TAKEN, _left_out, figures

from bezoar.engine.models.nulls import Null


@pytest.mark.parametrize("kind", [CLOTHES, PHOTOS])
def test_fleets_of_two_seeds_share_no_model_and_aim_at_other_classes(kind):
    """Every model has a path of its own; the same attack with the same settings is made for another target."""
    first, second = kind.members(0), kind.members(1)
    assert len({each.path for each in (*first, *second)}) == 2 * len(first)
    assert [each.settings for each in first] == [each.settings for each in second]
    assert {each.reference.number for each in first} == {0}
    assert {each.reference.number for each in second} == {1_001}
    assert (3 * 1_001) % 10 != 0, "the step between targets of fellows"
    assert {each.attack for each in kind.repaired_members(0)} >= {"badnets", "blended", "sig", "wanet", "trojannn"}
    assert kind.made_from >= kind.rows >= 20 * kind.few


@pytest.mark.parametrize("processes", [1, 2])
def test_work_is_spread_in_order_and_all_done_where_one_part_fails(processes, tmp_path):
    kind = dataclasses.replace(CLOTHES, processes=processes)
    assert spread(math.sqrt, [1.0, 4.0, 9.0], kind) == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="math domain error|nonnegative"):
        spread(math.sqrt, [1.0, -1.0, 4.0], kind)


def test_each_model_of_a_null_is_judged_by_the_others():
    """Twenty alike and one with a class far out: that one is called, and does not hide itself in its own null."""
    rng = np.random.default_rng(0)
    table = rng.normal(0, 0.2, (21, 10))
    table[7, 3] += 4
    null = Null(
        architecture="conv",
        shape=(1, 8, 8),
        classes=tuple("0123456789"),
        inputs=60,
        recipe={"accuracy": [0.9] * 21},
        scores={"one": tuple(map(tuple, table))},
        settings={"one": {}},
    )
    rows = _left_out(null)
    assert [row["number"] for row in rows if row["called"]] == ["null 7"]
    assert max(rows, key=lambda row: row["deviations"])["number"] == "null 7"
    assert all(row["attack"] == CLEAN for row in rows)


def test_models_in_which_the_backdoor_did_not_take_are_left_out_and_counted():
    def row(attack, deviations, called, **more):
        return {"attack": attack, "deviations": deviations, "called": called, "seconds": 1.0} | more

    taken = {"asr": 0.9, "natural": 0.9 - TAKEN, "target": 3}
    found = figures(
        [
            row(CLEAN, 2.0, False),
            row(CLEAN, 5.0, True),
            row("badnets", 9.0, True, first=3, success=0.9, **taken),
            row("badnets", 4.0, False, **taken),
            row("sig", 1.0, False, asr=0.9, natural=0.5, target=3),
        ]
    )
    assert found["not_taken"] == 1
    assert found["clean_called"] == 1
    assert found["auroc"] == 0.75
    assert (found["badnets_detected"], found["right_target"], found["recovered"]) == (0.5, 1.0, 1.0)
    assert "sig_detected" not in found
