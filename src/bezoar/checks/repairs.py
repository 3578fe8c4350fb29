"""What mitigations must keep."""

import dataclasses
from typing import Any

import numpy as np

from bezoar.checks.made_up import planted_model, planted_subject, suspected_set, weights_of
from bezoar.checks.promises import fingerprint, has, promise

BRIEF = 20
"""Steps of repairs that train."""


def declares_its_surface(method: type[Any]) -> None:
    """It says what it repairs."""
    promise(method, isinstance(getattr(method, "surface", None), str), "has a `surface`")


def repairs_only_what_is_suspected(method: type[Any]) -> None:
    """Rows that are not flagged stay as they are; with none flagged nothing changes."""
    subject, poisoned = suspected_set()
    repaired = method().apply(subject)
    kept = dict(zip(repaired.data.ids.tolist(), repaired.data.row_hashes, strict=True))
    before = zip(subject.data.ids.tolist(), subject.data.row_hashes, poisoned, strict=True)
    spared = all(kept.get(row) == content for row, content, flagged in before if not flagged)
    promise(method, spared, "leaves rows alone that are not flagged")
    untouched = method().apply(suspected_set(flagged=False)[0])
    promise(method, fingerprint(untouched.data) == fingerprint(subject.data), "changes nothing if nothing is flagged")


def acts_on_what_is_suspected(method: type[Any]) -> None:
    """No flagged row stays in the set with the label that it had."""
    subject, poisoned = suspected_set()
    repaired = method().apply(subject)
    labels = dict(zip(repaired.data.ids.tolist(), repaired.data.labels.tolist(), strict=True))
    before = zip(subject.data.ids[poisoned].tolist(), subject.data.labels[poisoned].tolist(), strict=True)
    promise(method, all(labels.get(row) != label for row, label in before), "removes or relabels every flagged row")


def leaves_the_subject_alone(method: type[Any]) -> None:
    """The subject passed in is the same afterwards."""
    subject, _ = suspected_set()
    before = fingerprint(subject)
    method().apply(subject)
    promise(method, fingerprint(subject) == before, "leaves the subject it was given alone")


def repairs_a_copy_of_the_model(method: type[Any]) -> None:
    """The model that came stays; the repaired one predicts, and equal settings repair equally."""
    subject, box = planted_subject(), planted_model()
    images = subject.data.images[:50]
    before, predicted = weights_of(box), box.predict(images)
    first, again = (_briefly(method).apply(subject) for _ in range(2))
    same = weights_of(box) == before and np.array_equal(box.predict(images), predicted)
    promise(method, same, "leaves the model it was given alone")
    repaired = first.model.predict(images)
    promise(method, bool(np.isfinite(repaired).all()), "gives a model whose predictions are finite")
    promise(method, np.array_equal(repaired, again.model.predict(images)), "repeats itself with the same settings")


def _briefly(method: type[Any]) -> Any:
    """With few steps, where it takes many: what is checked does not depend on how many there are."""
    return dataclasses.replace(method(), steps=BRIEF) if has(method, "steps") else method()
