"""Audits from rows to report."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

from bezoar.core.errors import InputError, UnknownNameError
from bezoar.core.report import Certainty, Severity, Status
from bezoar.data import read
from bezoar.engine import parts, scoring
from bezoar.engine.audit import audit
from bezoar.engine.settings import Asked, Settings
from bezoar.learn.recipe import Recipe
from bezoar.report import document
from synthetic import dataset, table

ONE_EPOCH = Recipe(epochs=1)
FAST = Settings(controls=False, detectors=("confident_learning",))


def told(report):
    """The report's JSON without what differs from run to run: when it ran and how long it took."""
    parts = json.loads(document.dump(report))
    for name in ("started", "seconds", "stages", "cpu_seconds", "peak_bytes"):
        del parts["run"][name]
    return parts


def status(report):
    return {check.name: check.status for check in report.checks}


@pytest.fixture(scope="module")
def cells():
    return read("breast_cancer")


@pytest.fixture(scope="module")
def few_digits():
    return read("digits").take(np.arange(400))


class TestPoisonedDigits:
    def test_the_backdoor_is_confirmed_with_its_class_first(self, poisoned_digits):
        first = poisoned_digits.report.findings[0]
        assert (first.code, first.subject) == ("BZ101", "class 3")
        assert (first.severity, first.certainty) == (Severity.CRITICAL, Certainty.CONFIRMED)

    def test_nearly_all_stamped_rows_and_hardly_any_honest_ones_are_flagged(self, poisoned_digits):
        honest = ~poisoned_digits.stamped & ~poisoned_digits.flipped
        assert poisoned_digits.flagged[poisoned_digits.stamped].mean() >= 0.95
        assert poisoned_digits.flagged[honest].mean() <= 0.01

    def test_both_suppliers_are_blamed_and_nobody_else(self, poisoned_digits):
        blamed = [row.source for row in poisoned_digits.report.sources if row.blamed]
        assert sorted(blamed) == ["crowd", "web-crawl"]
        assert {row.source for row in poisoned_digits.report.sources[:2]} == {"crowd", "web-crawl"}

    def test_flipped_sevens_rank_above_honest_rows(self, poisoned_digits):
        score = poisoned_digits.report.rows["score"].to_numpy()
        honest = ~poisoned_digits.stamped & ~poisoned_digits.flipped
        above = (score[poisoned_digits.flipped][:, None] > score[honest][None]).mean()
        assert above > 0.97

    def test_rows_of_the_backdoor_have_no_suggested_label(self, poisoned_digits):
        rows = poisoned_digits.report.rows.to_pylist()
        tampered = [row for row in rows if row["code"] == "BZ101"]
        assert tampered
        assert all(row["suggested_label"] is None and row["label"] == "3" for row in tampered)

    def test_every_finding_belongs_to_a_check_that_found_something_and_the_other_way_about(
        self, poisoned_digits, flipped_cells
    ):
        for audited in (poisoned_digits, flipped_cells):
            codes = {finding.code for finding in audited.report.findings}
            found = [check.codes for check in audited.report.checks if check.status is Status.FOUND]
            assert all(codes & set(each) for each in found)
            assert codes <= {code for each in found for code in each}

    def test_flagged_rows_and_codes_agree(self, poisoned_digits):
        rows = poisoned_digits.report.rows
        np.testing.assert_array_equal(poisoned_digits.flagged, np.array(rows["code"].to_pylist()) != "")
        np.testing.assert_array_equal(rows["index"].to_numpy(), np.arange(len(poisoned_digits.data)))
        p = rows["p_value"].to_numpy()
        assert ((p > 0) & (p <= 1)).all()

    def test_the_power_table_says_what_was_spiked_and_caught(self, poisoned_digits):
        power = poisoned_digits.report.power
        assert {row.kind for row in power} >= {"patch backdoor", "blended backdoor", "uniform label flips"}
        assert all(0 <= row.low <= row.power <= row.high <= 1 and 0 <= row.caught <= row.spiked for row in power)
        strongest = power[0]
        assert (strongest.kind, strongest.rate) == ("patch backdoor", 0.01)
        assert strongest.confirmed
        assert poisoned_digits.report.control_flagged.value <= 0.02

    def test_the_estimate_covers_the_planted_share_of_the_backdoor(self, poisoned_digits):
        poison = poisoned_digits.report.estimated_poison
        assert poison.low <= poisoned_digits.stamped.mean() + poisoned_digits.flipped.mean() <= poison.high

    def test_leaving_the_controls_out_changes_no_finding(self, poisoned_digits):
        recipe = Recipe(epochs=6, batch_size=32)
        without = audit(poisoned_digits.data, Settings(recipe=recipe, controls=False))
        assert without.power is None
        assert without.control_flagged is None
        assert told(without)["findings"] == told(poisoned_digits.report)["findings"]
        assert without.rows.equals(poisoned_digits.report.rows)


class TestCleanDigits:
    def test_nothing_is_confirmed_and_nobody_is_blamed(self, clean_digits):
        report = clean_digits.report
        assert status(report)["backdoor triggers"] is Status.CLEAN
        assert status(report)["sources"] is Status.CLEAN
        assert report.worst in (None, Severity.INFO, Severity.LOW)

    def test_at_most_one_row_in_a_hundred_is_flagged(self, clean_digits):
        assert clean_digits.flagged.mean() <= 0.01


class TestFlippedCells:
    def test_flipped_rows_rank_first_and_their_supplier_is_blamed(self, flipped_cells):
        report = flipped_cells.report
        score = report.rows["score"].to_numpy()
        above = (score[flipped_cells.flipped][:, None] > score[~flipped_cells.flipped][None]).mean()
        assert above > 0.9
        assert [row.source for row in report.sources if row.blamed] == ["crowd"]

    def test_what_fits_images_only_is_not_applicable(self, flipped_cells):
        found = status(flipped_cells.report)
        assert found["backdoor triggers"] is Status.NOT_APPLICABLE
        assert found["contradicting copies"] is Status.NOT_APPLICABLE
        assert found["sources"] is Status.FOUND


def test_the_same_seed_gives_the_same_report_and_another_seed_does_not(few_digits):
    settings = Settings(recipe=ONE_EPOCH, detectors=("confident_learning", "loss_dynamics"))
    first, again = audit(few_digits, settings), audit(few_digits, settings)
    other = audit(few_digits, dataclasses.replace(settings, seed=1))
    assert told(first) == told(again)
    assert first.rows.equals(again.rows)
    assert not other.rows.equals(first.rows)


def test_an_untouched_table_has_no_wrong_labels_to_speak_of(cells):
    report = audit(cells, Settings(controls=False))
    assert np.mean(report.rows["flagged"].to_numpy(zero_copy_only=False)) <= 0.01


def test_only_the_detectors_asked_for_have_a_column(cells):
    report = audit(cells, FAST)
    assert report.rows.column_names == [
        "id",
        "index",
        "source",
        "label",
        "suggested_label",
        "confident_learning",
        "score",
        "p_value",
        "flagged",
        "code",
    ]


def test_an_unknown_detector_is_refused_before_any_work(cells):
    with pytest.raises(UnknownNameError, match="no detector named 'nonsense'"):
        audit(
            cells, dataclasses.replace(FAST, detectors=("nonsense",), progress=lambda stage, share: pytest.fail(stage))
        )


class Broken:
    def score(self, trace):
        raise RuntimeError("no\nluck")


class Short:
    def score(self, trace):
        return np.zeros(3)


class Infinite:
    def score(self, trace):
        return np.full(len(trace.labels), np.inf)


class Unmade:
    def __init__(self):
        raise AttributeError("cannot be made")


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Broken, "RuntimeError: no luck"),
        (Short, "scores must be (569,), got (3,)"),
        (Infinite, "scores must be finite"),
        (Unmade, "cannot be made"),
    ],
)
def test_a_detector_that_breaks_is_a_failed_check_and_stops_no_other(cells, monkeypatch, method, said):
    real = parts.lookup
    monkeypatch.setattr(scoring, "detectors_of", lambda unit: ("broken", "confident_learning"))
    monkeypatch.setattr(parts, "lookup", lambda group, name: method if name == "broken" else real(group, name))
    report = audit(cells, Settings(controls=False))
    (failed,) = (check for check in report.checks if check.status is Status.FAILED)
    assert failed.name == "detector broken"
    assert said in failed.detail
    assert "\n" not in failed.detail
    assert "broken" not in report.rows.column_names
    assert "confident_learning" in report.rows.column_names


def test_a_plugin_that_does_not_load_is_a_failed_check_unless_it_was_asked_for(cells, monkeypatch):
    def lookup(group, name):
        raise UnknownNameError("detector 'torn' does not load: no such module.")

    monkeypatch.setattr(scoring, "detectors_of", lambda unit: ("torn",))
    monkeypatch.setattr(parts, "lookup", lookup)
    assert status(audit(cells, Settings(controls=False)))["detector torn"] is Status.FAILED


def test_labels_that_no_model_can_foretell_are_a_failed_check_not_a_clean_one(cells):
    """Unread is never clean: where nothing can be learned, nothing can be said."""
    rng = np.random.default_rng(0)
    shuffled = dataclasses.replace(cells, labels=rng.permutation(cells.labels))
    report = audit(shuffled, FAST)
    assert status(report)["wrong labels"] is Status.FAILED
    assert status(report)["systematic label flips"] is Status.FAILED
    assert not any(finding.code in {"BZ102", "BZ103"} for finding in report.findings)
    assert (report.estimated_poison.low, report.estimated_poison.high) == (0.0, 1.0)


def test_equal_images_of_two_classes_contradict_each_other(few_digits):
    images, labels = few_digits.images.copy(), few_digits.labels.copy()
    one, other = np.flatnonzero(labels == 1)[0], np.flatnonzero(labels == 7)[0]
    images[other] = images[one]
    report = audit(
        dataclasses.replace(few_digits, inputs=images),
        Settings(recipe=ONE_EPOCH, controls=False, detectors=("confident_learning",)),
    )
    (finding,) = (f for f in report.findings if f.code == "BZ104")
    assert {shown.index for shown in finding.exhibits} == {one, other}


@pytest.mark.parametrize(("copies", "expected"), [(5, True), (4, False)])
def test_an_image_that_occurs_five_times_is_a_finding(few_digits, copies, expected):
    images, labels = few_digits.images.copy(), few_digits.labels
    same = np.flatnonzero(labels == 3)[:copies]
    images[same] = images[same[0]]
    report = audit(
        dataclasses.replace(few_digits, inputs=images),
        Settings(recipe=ONE_EPOCH, controls=False, detectors=("confident_learning",)),
    )
    assert [f.rows for f in report.findings if f.code == "BZ106"] == ([5] if expected else [])
    assert (status(report)["repeated images"] is Status.FOUND) is expected


def test_where_every_row_is_suspect_the_power_is_unknown_and_says_so():
    """400 equal images of two classes: nothing is left to plant poison in."""
    data = dataset(np.full((400, 1, 8, 8), 7, np.uint8), np.arange(400) % 2, 2)
    report = audit(data, Settings(recipe=ONE_EPOCH, detectors=("confident_learning",)))
    assert report.power is None
    assert status(report)["controls"] is Status.FAILED
    assert status(report)["contradicting copies"] is Status.FOUND


class TestTrusted:
    def test_it_is_used_and_the_record_says_so(self, cells):
        trusted, rest = cells.take(np.arange(0, 569, 3)), cells.take(np.arange(569) % 3 > 0)
        report = audit(rest, dataclasses.replace(FAST, trusted=trusted))
        assert report.run.trusted
        assert report.run.digests["trusted"] == trusted.merkle_root
        assert report.run.arguments["trusted"] == "breast_cancer"
        assert report.rows["p_value"].to_numpy().min() >= 2 / (len(trusted) + 1) - 1e-12, "its rows are the null"

    def test_its_classes_may_be_numbered_differently(self, cells):
        trusted, rest = cells.take(np.arange(0, 569, 3)), cells.take(np.arange(569) % 3 > 0)
        turned = dataclasses.replace(trusted, labels=1 - trusted.labels, classes=trusted.classes[::-1])
        first, second = (audit(rest, dataclasses.replace(FAST, trusted=each)) for each in (trusted, turned))
        assert first.rows.equals(second.rows)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda d: read("digits"), "must be of the kind table. Got image"),
            (lambda d: dataclasses.replace(d, inputs=d.table.drop_columns(["mean area"])), "trusted rows must be"),
            (lambda d: dataclasses.replace(d, classes=("ill", "well")), "have the class 'ill', which"),
        ],
    )
    def test_rows_of_another_kind_are_refused(self, cells, change, said):
        with pytest.raises(InputError, match=said):
            audit(cells, dataclasses.replace(FAST, trusted=change(cells)))


class TestTooLittle:
    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            (np.arange(39) % 2, "39 rows are too few for any claim. At least 40 are needed."),
            (np.zeros(100), "two classes with at least 8 rows each are needed. Got c0 \\(100\\)"),
            (np.r_[np.zeros(93), np.ones(7)], "Got c0 \\(93\\), c1 \\(7\\)"),
        ],
    )
    def test_is_refused_with_what_would_do(self, labels, said):
        data = dataset(np.zeros((len(labels), 1, 8, 8), np.uint8), labels.astype(int), 2)
        with pytest.raises(InputError, match=said):
            audit(data, FAST)

    def test_texts_are_refused(self):
        words = pa.array([f"t{i}" for i in range(50)])
        with pytest.raises(InputError, match="holds texts. Images and tables can be audited"):
            audit(dataset(words, np.arange(50) % 2, 2), FAST)


class TestOddTables:
    """Each ends in a report: nothing in a table stops an audit."""

    @pytest.mark.parametrize(
        "column",
        [
            pa.array([1.0] * 200),
            pa.nulls(200),
            pa.array([None] * 200, pa.float64()),
            pa.array([np.nan, np.inf, -np.inf, 1e300] * 50),
            pa.array([2**64 - 1 - i for i in range(200)], pa.uint64()),
            pa.array([f"text {i}" for i in range(200)]),
            pa.array([True, False, None, True] * 50),
        ],
        ids=["constant", "null", "missing", "not finite", "huge", "unique texts", "truth values"],
    )
    def test_one_odd_column_beside_a_good_one(self, column):
        labels = np.arange(200) % 2
        data = dataset(pa.table({"odd": column, "good": labels + np.random.default_rng(0).normal(size=200)}), labels, 2)
        report = audit(
            data, dataclasses.replace(FAST, detectors=("confident_learning", "knn_disagreement", "mahalanobis"))
        )
        assert not [check for check in report.checks if check.status is Status.FAILED]
        assert json.loads(document.dump(report))["dataset"]["rows"] == 200

    def test_a_lopsided_table(self):
        labels = (np.arange(1_000) >= 990).astype(np.int64)
        cells = table(1_000, np.random.default_rng(0)).append_column("good", pa.array(labels * 5.0))
        assert audit(dataset(cells, labels, 2), FAST).dataset.class_counts == (990, 10)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (4, 8, 8), (2, 5, 3)])
def test_images_of_odd_shapes_are_audited(shape):
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = (rng.integers(0, 100, (80, *shape)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    report = audit(dataset(images, labels, 2), Settings(recipe=ONE_EPOCH, detectors=("confident_learning",)))
    assert report.dataset.shape == shape


class TestRecord:
    def test_arguments_given_and_defaulted_are_told_apart(self, cells):
        run = audit(cells, dataclasses.replace(FAST, seed=3)).run
        assert run.arguments == {"seed": 3, "detectors": ["confident_learning"], "controls": False}
        assert run.defaults.keys() == {"device", "trusted", "model", "recipe"}
        assert run.command == "bezoar.audit_data"

    def test_what_a_person_typed_goes_before_what_the_settings_show(self, cells):
        asked = Asked(command="bezoar audit data x --seed 0", given={"seed": 0}, defaults={"controls": True})
        run = audit(cells, dataclasses.replace(FAST, asked=asked)).run
        assert (run.command, run.arguments) == (asked.command, {"seed": 0})
        assert run.defaults.keys() == {"controls", "recipe"}

    def test_a_recipe_that_was_given_is_an_argument(self, few_digits):
        run = audit(few_digits, dataclasses.replace(FAST, recipe=ONE_EPOCH)).run
        assert run.arguments["recipe"]["epochs"] == 1
        assert "recipe" not in run.defaults

    def test_it_names_versions_hardware_digest_and_stages(self, cells):
        run = audit(cells, FAST).run
        assert run.versions.keys() >= {"python", "bezoar", "torch", "numpy"}
        assert run.hardware["device"] == "cpu"
        assert run.digests == {"data": cells.merkle_root}
        assert sum(run.stages.values()) <= run.seconds + 0.1
        assert "controls" not in run.stages


def test_progress_tells_the_stages_in_order_each_from_nothing_to_all(cells):
    heard = []
    audit(cells, Settings(detectors=FAST.detectors, progress=lambda stage, share: heard.append((stage, share))))
    order = list(dict.fromkeys(stage for stage, _ in heard))
    assert order == ["training", "scoring", "searching", "confirming", "controls", "reporting"]
    for name in order:
        shares = [share for stage, share in heard if stage == name]
        assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_an_audit_leaves_its_data_as_they_were(few_digits):
    before = few_digits.images.copy(), few_digits.labels.copy()
    audit(few_digits, Settings(recipe=ONE_EPOCH, detectors=("duplicates", "spectral_signatures")))
    np.testing.assert_array_equal(few_digits.images, before[0])
    np.testing.assert_array_equal(few_digits.labels, before[1])


def test_spikes_are_planted_in_what_is_left_without_the_flagged_rows(monkeypatch, few_digits):
    seen = []
    monkeypatch.setattr(
        "bezoar.engine.audit.spike", lambda data, rng, *, left, means: (seen.append(left), (data, ()))[1]
    )
    report = audit(few_digits, Settings(recipe=ONE_EPOCH, detectors=("confident_learning",)))
    flagged = report.rows["flagged"].to_numpy(zero_copy_only=False)
    assert seen[0].tolist() == (~flagged).tolist()
