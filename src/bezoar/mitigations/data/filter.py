"""Filter: drop the rows that an audit flagged."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from bezoar.core.mitigation import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Drop the flagged rows and keep the others.

    Known limits: honest rows that were flagged by mistake are gone too. Quarantine keeps them.

    References
    ----------
    Cretu et al., "Casting out demons: sanitizing training data for anomaly sensors", IEEE S&P 2008, section 2.
    """

    surface: ClassVar[str] = "data"

    def apply(self, subject: Subject) -> Subject:
        """The subject without its flagged rows. Raises ``InputError`` where no suspicion was stated."""
        kept = ~subject.suspected().flagged
        return dataclasses.replace(subject, data=subject.data.take(kept), suspicion=None)
