"""What a grid of poisoned sets plans, and what it knows to be impossible before anything runs."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.trojannn import TrojanNN
from bezoar.core.detector import Unit
from bezoar.core.errors import InputError, ParameterError, UnknownNameError
from bezoar.core.registry import detectors_of, names
from bezoar.detectors.rows.knn_disagreement import KnnDisagreement
from bezoar.engine.grids.code import code_of, package_code
from bezoar.engine.grids.grid import make_grid
from bezoar.engine.grids.planning import plan
from made_kind import Counted, quick


def reasons(planned):
    return {(each.cell.attack, each.cell.rate, each.cell.detector): each.reason for each in planned.cells}


def test_every_combination_is_planned_once(small):
    planned = plan(
        quick(small, "none", "badnets", "badnets", detectors=["mahalanobis", "audit"], rates=[0.1, 0.2], seeds=2)
    )
    cells = [(each.cell.attack, each.cell.rate, each.cell.seed, each.cell.detector) for each in planned.cells]
    detectors = ["training", "mahalanobis", "audit"]
    none = [("none", None, seed, detector) for seed in (0, 1) for detector in detectors]
    badnets = [("badnets", rate, seed, detector) for rate in (0.1, 0.2) for seed in (0, 1) for detector in detectors]
    assert cells == none + badnets
    assert len({each.key for each in planned.cells}) == len(cells)


def test_all_row_detectors_and_the_audit_are_the_default(small, made):
    """A detector that scores models is left out; one from elsewhere takes part."""
    planned = plan(quick(small, "badnets").model_copy(update={"detectors": None}))
    assert {each.cell.detector for each in planned.cells} == set(detectors_of(Unit.ROW)) | {
        "training",
        "audit",
    }
    assert "counted" in names("detectors")


def test_defaulted_hyperparameters_are_in_the_cell(small):
    planned = plan(quick(small, {"badnets": {"size": 4}}, detectors=["knn_disagreement"]))
    cell = planned.cells[1].cell
    expected = dataclasses.asdict(BadNets(size=4))
    del expected["rate"]
    assert cell.attack_settings == expected
    assert cell.detector_settings == dataclasses.asdict(KnnDisagreement())
    assert (cell.attack_label, cell.detector_label) == ("badnets(size=4)", "knn_disagreement")
    assert cell.recipe["epochs"] == 2
    assert cell.recipe["batch_size"] == 32  # of the default recipe for so few rows


def test_spelling_a_default_out_changes_no_address(small):
    default, spelled = (
        plan(quick(small, attack, detectors=["audit"]))
        for attack in ("badnets", {"badnets": {"place": "bottom_right"}})
    )
    assert [each.key for each in default.cells] == [each.key for each in spelled.cells]


def test_an_attack_with_its_own_number_of_rows_is_run_once_whatever_the_rates(small):
    planned = plan(quick(small, {"badnets": {"count": 7}}, detectors=["audit"], rates=[0.1, 0.2]))
    assert [each.cell.rate for each in planned.cells] == [None, None]


@pytest.mark.parametrize(
    ("attack", "rate", "reason"),
    [
        ({"badnets": {"target": "12"}}, 0.1, "no class '12'"),
        ({"badnets": {"size": 9}}, 0.1, "size"),
        ("badnets", 1.0, "300 rows are to be changed but only"),
        ({"label_flip": {"where": "age > 60"}}, 0.1, "not a table"),
        ("stealing", 0.1, "does not poison training sets"),
    ],
)
def test_an_impossible_attack_is_not_applicable_and_says_why(small, made, attack, rate, reason):
    planned = plan(quick(small, attack, detectors=["mahalanobis"], rates=[rate]))
    assert len(planned.cells) == 2
    assert all(reason in each.reason for each in planned.cells)


def test_an_attack_that_trains_is_asked_what_it_cannot_do_and_not_carried_out(small, monkeypatch):
    monkeypatch.setattr(TrojanNN, "poison", lambda *_: pytest.fail("carried out"))
    found = {}
    for size in (4, 9):
        planned = plan(quick(small, {"trojannn": {"size": size}}, detectors=[], rates=[0.1]))
        found[size] = planned.cells[0].reason
    assert found[4] == ""
    assert "`size` 9 at `place` 'bottom_right' does not fit" in found[9]


def test_a_patch_cannot_be_put_on_a_table():
    grid = make_grid(
        {"data": ["breast_cancer"], "attacks": ["badnets", "label_flip"], "detectors": ["audit"]}, where=""
    )
    found = reasons(plan(grid))
    assert "not images" in found["badnets", 0.01, "training"]
    assert found["label_flip", 0.01, "audit"] == ""


def test_columns_of_a_table_are_named_in_the_grid(tmp_path):
    rows = "".join(f"{20 + row},{row % 3},{'yes' if row % 2 else 'no'}\n" for row in range(60))
    (tmp_path / "loans.csv").write_text("age,branch,defaulted\n" + rows)
    for roles, reads in (({"label": "defaulted", "drop": ["branch"]}, True), ({"label": "income"}, False)):
        grid = quick({str(tmp_path / "loans.csv"): roles}, "none", detectors=[])
        if reads:
            (data,) = plan(grid).inputs.values()
            assert (data.classes, data.table.column_names) == (("no", "yes"), ["age"])
        else:
            with pytest.raises(InputError, match="income"):
                plan(grid)


def test_a_detector_that_scores_no_rows_is_not_applicable(small, made):
    found = reasons(plan(quick(small, "badnets", detectors=["of_models"])))
    assert "does not score rows" in found["badnets", 0.1, "of_models"]
    assert found["badnets", 0.1, "training"] == ""


def test_the_control_has_nothing_to_rank_but_is_trained_on_and_audited(small):
    found = reasons(plan(quick(small, "none", detectors=["mahalanobis", "audit"])))
    assert "nothing is planted" in found["none", None, "mahalanobis"]
    assert found["none", None, "training"] == found["none", None, "audit"] == ""


def test_texts_and_tiny_sets_are_not_applicable(tmp_path):
    pq.write_table(
        pa.table({"text": [f"row {i}" for i in range(50)], "label": np.arange(50) % 2}), tmp_path / "t.parquet"
    )
    np.savez(tmp_path / "tiny.npz", x=np.zeros((6, 8, 8), np.uint8), y=np.arange(6) % 2)
    np.savez(tmp_path / "few.npz", x=np.zeros((30, 8, 8), np.uint8), y=np.arange(30) % 2)
    for name, detector, reason in (
        ("t.parquet", "training", "texts cannot be trained on"),
        ("tiny.npz", "training", "6 rows are too few"),
        ("few.npz", "audit", "At least 40 are needed"),
    ):
        found = reasons(plan(quick(str(tmp_path / name), "none", detectors=["audit"])))
        assert reason in found["none", None, detector]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"attacks": ["badnet"]}, UnknownNameError, "no attack named 'badnet'. Did you mean badnets"),
        ({"detectors": ["audits"]}, UnknownNameError, "no detector named 'audits'. Did you mean audit"),
        ({"attacks": [{"badnets": {"sizes": 3}}]}, ParameterError, "badnets: no parameter 'sizes'. Did you mean size?"),
        ({"attacks": [{"badnets": {"size": 0}}]}, ParameterError, "badnets: `size` must be >= 1. Got 0."),
        ({"detectors": [{"audit": {"k": 1}}]}, ParameterError, "audit takes no hyperparameters. Got k."),
        ({"recipe": {"epoch": 1}}, ParameterError, "recipe: no parameter 'epoch'. Did you mean epochs?"),
        ({"recipe": {"epochs": 0}}, ParameterError, "`epochs` must be >= 1. Got 0."),
        ({"data": [{"digits": {"colour": "x"}}]}, ParameterError, "digits: no parameter 'colour'"),
        ({"data": [{"digits": {"label": 5}}]}, ParameterError, "digits: `label`: input should be a valid string"),
        ({"data": ["nowhere.npz"]}, InputError, "nowhere.npz: no such file"),
        ({"seeds": 10_000, "rates": [0.01 * i for i in range(1, 50)]}, ParameterError, "over the limit of 200,000"),
    ],
)
def test_what_does_not_exist_is_an_error_before_anything_runs(small, change, error, said):
    content = {"data": [small], "attacks": ["badnets"], "detectors": ["audit"]} | change
    with pytest.raises(error) as raised:
        plan(make_grid(content, where="test"))
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_the_source_of_a_method_from_elsewhere_is_part_of_its_version(tmp_path):
    assert code_of("package", [KnnDisagreement, BadNets]) == "package"
    assert code_of("package", [KnnDisagreement, Counted]) != "package"
    assert len(package_code()) == 64
