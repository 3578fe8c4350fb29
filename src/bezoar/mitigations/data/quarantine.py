"""Quarantine: keep the rows that an audit flagged apart, with reasons."""

from dataclasses import dataclass
from typing import ClassVar

from bezoar.core.mitigation import Subject
from bezoar.mitigations.data.aside import put_aside


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """Move the flagged rows out of the set and keep them beside it, each with the reason.

    Nothing is lost: the rows left and the rows set aside are together those there were, so a person can look at them
    and put back what was flagged by mistake.

    References
    ----------
    Vassilev et al., "Adversarial machine learning: a taxonomy and terminology of attacks and mitigations", NIST AI
    100-2e2025, section 2.3 (sanitizing training data).
    """

    surface: ClassVar[str] = "data"

    def apply(self, subject: Subject) -> Subject:
        """The subject with its flagged rows in `set_aside`. Raises ``InputError`` where no suspicion was stated."""
        return put_aside(subject, subject.suspected().flagged)
