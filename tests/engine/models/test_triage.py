"""Three ways of failing, each told from the others, by the same command."""

import dataclasses

import numpy as np
import pytest
import torch

from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.core.errors import InputError
from bezoar.core.report import Certainty, Status
from bezoar.engine.models.audit import ModelSettings
from bezoar.engine.triage.inputs import Failing, Reference
from bezoar.engine.triage.residue import residues
from bezoar.engine.triage.triage import triage
from bezoar.learn import saved
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train
from bezoar.report import document, write

TARGET = 3


def explained(models, null, name, failures, reference, **more):
    settings = ModelSettings(null=null, detectors=("maximum_margin",), seed=1)
    return triage(models[name], failures, reference, settings, **more)


@pytest.fixture(scope="module")
def planted(digits):
    """Training digits of three suppliers, one of which stamps its rows."""
    rng = np.random.default_rng(3)
    data = dataclasses.replace(digits[0], source=rng.choice(np.array(["acme", "field", "web"]), len(digits[0])))
    return BadNets(rate=0.05, target=TARGET, size=2, supplier="web").poison(data, rng)


@pytest.fixture(scope="module")
def poisoned(planted, tmp_path_factory):
    """The file of a model that was trained on them."""
    model, _ = train(
        planted.data.images, planted.data.labels, 10, Recipe(epochs=8, batch_size=64), torch.Generator().manual_seed(5)
    )
    return {"poisoned": saved.save(tmp_path_factory.mktemp("m") / "poisoned.safetensors", model, planted.data.classes)}


def halves(digits):
    """Reference inputs, and others of which failures are made."""
    held_out = digits[1]
    return held_out.take(np.arange(0, len(held_out), 2)), held_out.take(np.arange(1, len(held_out), 2))


@pytest.fixture(scope="module")
def stamped(digits, planted):
    rest = halves(digits)[1]
    rest = rest.take(rest.rows_not_of(TARGET))
    return dataclasses.replace(rest, inputs=planted.trigger(rest.images), hashed=None)


@pytest.fixture(scope="module")
def triggered(poisoned, null, digits, stamped, planted):
    return explained(poisoned, null, "poisoned", stamped, halves(digits)[0], train=planted.data)


def test_failures_that_carry_a_trigger_are_a_backdoor(triggered):
    first = triggered.findings[0]
    assert (first.code, first.subject, first.certainty) == ("BZ202", f"class {TARGET}", Certainty.CONFIRMED)
    turned = next(each for each in first.evidence if each.name.startswith("trigger: reference inputs"))
    assert turned.value >= 0.8
    assert first.pictures
    assert [each.code for each in triggered.findings] == ["BZ202"], "neither drift nor weakness beside it"


def test_influence_leads_to_the_rows_that_taught_it_and_to_their_source(triggered, planted):
    """The rows that lead are poisoned ones; the source of most is the supplier that stamped them."""
    shown = triggered.findings[0].exhibits
    assert len(shown) >= 8
    assert np.mean([planted.changed[each.index] for each in shown]) >= 0.9
    source = next(each for each in triggered.findings[0].evidence if each.name.startswith("training rows of"))
    assert "web" in source.name
    assert triggered.checks[-1].status is Status.FOUND


class SeesPattern:
    """A model that calls what resembles a pattern class 3, and else tells dark from bright."""

    def __init__(self, pattern):
        self.pattern = pattern - pattern.mean()

    def predict(self, inputs):
        centred = inputs - inputs.mean(axis=(1, 2, 3), keepdims=True)
        alike = (centred * self.pattern).sum(axis=(1, 2, 3)) / (self.pattern**2).sum()
        answer = np.where(alike > 0.1, 3, (inputs.mean(axis=(1, 2, 3)) > 128).astype(int))
        return np.log(np.eye(4)[answer] * 0.9 + 0.025).astype(np.float32)


def test_a_blend_is_found_by_its_shape_and_a_change_of_contrast_is_none():
    """The same failing inputs, once for a model that answers to the pattern and once for one that answers to brightness."""
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 60)
    images = np.clip(rng.normal(60 + 120 * labels[:, None, None, None], 30, (120, 1, 12, 12)), 0, 255).astype(np.uint8)
    pattern = rng.integers(0, 256, (1, 12, 12))
    model = SeesPattern(pattern)
    blended = (0.8 * images + 0.2 * pattern).astype(np.uint8)
    reference = Reference(images=images, labels=labels)
    failing = Failing(images=blended[::2], labels=labels[::2], log_probabilities=model.predict(blended[::2]))
    assert (failing.predicted == 3).all()
    first = residues(model, failing, reference, rng)[0]
    assert first.target == 3
    assert first.works
    dark = (images[1::2] * 0.3).astype(np.uint8)
    failing = Failing(images=dark, labels=labels[1::2], log_probabilities=model.predict(dark))
    assert (failing.predicted == 0).all()
    assert not any(each.shaped for each in residues(model, failing, reference, rng))


def darker(images):
    return (images * 0.25).astype(np.uint8)


def noisy(images):
    noise = np.random.default_rng(0).normal(0, 70, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("change", "measures"), [(darker, {"brightness", "contrast"}), (noisy, {"noise"})])
def test_failures_on_other_pictures_are_drift(models, null, digits, change, measures):
    reference, rest = halves(digits)
    failures = dataclasses.replace(rest, inputs=change(rest.images), hashed=None)
    report = explained(models, null, "clean", failures, reference)
    assert [each.code for each in report.findings] == ["BZ203"]
    assert set(report.findings[0].subject.split(", ")) & measures
    assert report.findings[0].certainty is Certainty.CONFIRMED


@pytest.fixture(scope="module")
def weak(digits, tmp_path_factory):
    """The file of a model that saw few digits, and what it gets wrong."""
    data = digits[0].take(np.arange(0, len(digits[0]), 12))
    model, _ = train(data.images, data.labels, 10, Recipe(epochs=6, batch_size=32), torch.Generator().manual_seed(1))
    file = saved.save(tmp_path_factory.mktemp("weak") / "weak.safetensors", model, data.classes)
    rest = halves(digits)[1]
    return {"weak": file}, rest.take(np.flatnonzero(model.predict(rest.images).argmax(axis=1) != rest.labels))


def test_mistakes_that_were_always_close_are_weakness(weak, null, digits):
    models, failures = weak
    report = explained(models, null, "weak", failures, halves(digits)[0])
    assert [each.code for each in report.findings] == ["BZ204"]
    assert report.findings[0].severity == "low"


def test_the_evidence_names_every_side(triggered, weak, null, digits):
    for report in (triggered, explained(weak[0], null, "weak", weak[1], halves(digits)[0])):
        sides = {each.name.split(":")[0] for each in report.findings[0].evidence}
        assert {"trigger", "drift", "weakness"} <= sides


def test_there_is_a_line_for_each_input(triggered, stamped):
    rows = triggered.rows
    assert rows["id"].to_pylist() == stamped.ids.tolist()
    flagged = np.array(rows["flagged"].to_pylist())
    assert flagged.mean() >= 0.8
    assert set(np.array(rows["predicted"].to_pylist())[flagged]) == {str(TARGET)}


def test_the_report_is_written_in_every_format_and_read_back(triggered, tmp_path):
    write(triggered, tmp_path)
    assert document.dump(document.load(tmp_path)) == document.dump(triggered)
    assert "BZ202" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("failures", "reference", "message"),
    [
        (lambda d: d[1], lambda d: d[1].take(np.arange(20)), "too few"),
        (lambda d: d[1].take(np.arange(50)), lambda d: d[1], "gets .* right"),
        (lambda d: d[1], lambda d: dataclasses.replace(d[1], labels=(d[1].labels + 1) % 10), "no better than a guess"),
    ],
)
def test_inputs_that_allow_no_claim_are_refused_in_one_line(models, null, digits, failures, reference, message):
    with pytest.raises(InputError, match=message) as raised:
        explained(models, null, "clean", failures(digits), reference(digits))
    assert "\n" not in str(raised.value)


def test_a_file_that_would_run_code_is_not_opened_and_nothing_is_explained(null, digits, tmp_path):
    """A pickle that calls `os.system` when it is loaded."""
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    failures = digits[1].take(np.arange(50))
    report = explained({"bad": tmp_path / "model.pkl"}, null, "bad", failures, digits[1])
    assert report.kind == "triage"
    assert report.dataset.rows == 50
    assert [each.code for each in report.findings] == ["BZ601"]
    assert Status.FAILED in {each.status for each in report.checks}
