"""What an attacker wants, knows, can touch and may spend."""

from dataclasses import dataclass
from enum import StrEnum


class Goal(StrEnum):
    """What the attacker is after."""

    BACKDOOR = "backdoor"
    TARGETED = "targeted misclassification"
    UNTARGETED = "loss of accuracy"


class Knowledge(StrEnum):
    """How much of the victim's model and training the attacker sees."""

    WHITE_BOX = "white box"
    GREY_BOX = "grey box"
    BLACK_BOX = "black box"


class Access(StrEnum):
    """What the attacker can touch."""

    DATA = "training data"
    LABELS = "training labels"
    TRAINING = "training process"
    WEIGHTS = "model weights"
    QUERIES = "queries"
    UPDATES = "federated updates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """An attacker.

    Parameters
    ----------
    goal, knowledge, access : what they want, know and can touch.
    budget_unit : what their budget counts, such as "rows".
    techniques : MITRE ATLAS technique identifiers.
    """

    goal: Goal
    knowledge: Knowledge = Knowledge.BLACK_BOX
    access: Access = Access.DATA
    budget_unit: str = "rows"
    techniques: tuple[str, ...] = ()
