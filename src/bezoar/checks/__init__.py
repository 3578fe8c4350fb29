"""What every method must keep: run these on your own attack, detector or mitigation.

::

    import pytest
    from bezoar import checks

    @pytest.mark.parametrize("check", checks.CHECKS["detectors"])
    def test_contract(check):
        check(MyDetector)

Each check takes the method's class, makes it with its defaults, and raises ``ContractError`` with one line that says what
was promised and what happened.
"""

from typing import Any, Literal

from bezoar.checks.attacks import (
    declares_a_threat,
    keeps_to_its_budget,
    leaves_the_set_it_was_given_alone,
    plants_the_same_poison_from_the_same_seed,
    relabels_to_its_target_or_keeps_to_its_class,
    strikes_only_the_named_supplier,
    tells_the_truth_about_what_it_changed,
)
from bezoar.checks.inputs import (
    learns_numbers_that_can_be_written_down,
    leaves_a_fitted_model_alone,
    passes_as_many_pictures_as_it_says,
    scores_an_input_alone_as_among_others,
    scores_every_input_with_a_finite_number,
)
from bezoar.checks.made_up import Planted as Planted
from bezoar.checks.made_up import example_data as example_data
from bezoar.checks.made_up import planted_model as planted_model
from bezoar.checks.made_up import planted_subject as planted_subject
from bezoar.checks.made_up import planted_trace as planted_trace
from bezoar.checks.methods import is_a_documented_frozen_dataclass, survives_pickling
from bezoar.checks.models import (
    asks_and_does_not_look_where_it_says_so,
    finds_the_triggers_it_is_asked_for,
    inspects_the_same_model_the_same,
    leaves_the_model_alone,
    recovers_triggers_that_stamp_images,
    scores_every_class_with_a_finite_number,
)
from bezoar.checks.promises import Check
from bezoar.checks.repairs import (
    acts_on_what_is_suspected,
    declares_its_surface,
    leaves_the_subject_alone,
    repairs_a_copy_of_the_model,
    repairs_only_what_is_suspected,
)
from bezoar.checks.rows import (
    compares_rows_within_its_scope_only,
    declares_what_it_scores_and_reads,
    leaves_the_trace_alone,
    ranks_planted_rows_above_the_others,
    reads_only_what_it_needs,
    scores_every_row_with_a_finite_number,
    scores_the_same_trace_the_same,
)
from bezoar.core.detector import Unit
from bezoar.core.registry import Group

_EVERY = (is_a_documented_frozen_dataclass, survives_pickling)

Kind = Literal["attacks", "detectors", "model_detectors", "input_detectors", "mitigations", "model_mitigations"]

CHECKS: dict[Kind, tuple[Check, ...]] = {
    "attacks": (
        *_EVERY,
        declares_a_threat,
        plants_the_same_poison_from_the_same_seed,
        tells_the_truth_about_what_it_changed,
        keeps_to_its_budget,
        leaves_the_set_it_was_given_alone,
        relabels_to_its_target_or_keeps_to_its_class,
        strikes_only_the_named_supplier,
    ),
    "detectors": (
        *_EVERY,
        declares_what_it_scores_and_reads,
        scores_every_row_with_a_finite_number,
        ranks_planted_rows_above_the_others,
        scores_the_same_trace_the_same,
        leaves_the_trace_alone,
        reads_only_what_it_needs,
        compares_rows_within_its_scope_only,
    ),
    "mitigations": (
        *_EVERY,
        declares_its_surface,
        repairs_only_what_is_suspected,
        acts_on_what_is_suspected,
        leaves_the_subject_alone,
    ),
    "model_detectors": (
        *_EVERY,
        scores_every_class_with_a_finite_number,
        inspects_the_same_model_the_same,
        recovers_triggers_that_stamp_images,
        finds_the_triggers_it_is_asked_for,
        leaves_the_model_alone,
        asks_and_does_not_look_where_it_says_so,
    ),
    "input_detectors": (
        *_EVERY,
        learns_numbers_that_can_be_written_down,
        scores_every_input_with_a_finite_number,
        scores_an_input_alone_as_among_others,
        passes_as_many_pictures_as_it_says,
        leaves_a_fitted_model_alone,
    ),
    "model_mitigations": (*_EVERY, declares_its_surface, repairs_a_copy_of_the_model),
}
"""The checks of each kind of method; "detectors" score rows and "mitigations" repair data."""


def kind_of(group: Group, method: type[Any]) -> Kind:
    """Which checks are for a method."""
    if group == "detectors":
        units: dict[Unit | None, Kind] = {Unit.MODEL: "model_detectors", Unit.INPUT: "input_detectors"}
        return units.get(getattr(method, "unit", None), group)
    return "model_mitigations" if getattr(method, "surface", "") == "model" else group
