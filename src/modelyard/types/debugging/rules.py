"""Rules on the live figures of a job, and what they have found."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

GRADIENT_NORM, WEIGHT_NORM = "gradient_norm", "weight_norm"
"""Live figures of a watched network: of all its layers together, and of one as `gradient_norm/<layer>`."""

ZERO_SHARE, DEAD_SHARE = "zero_share", "dead_share"
"""Of a layer's answers: how many are zero, and how many of its units answer zero to every row of a batch."""

CLASS_ROWS = "class_rows"
"""Rows of a class as `class_rows/<label>`; then, when all of them are logged, the rows of all together."""

NOT_FINITE = "not_finite"
"""A value of `<name>` was NaN or infinite, which no figure can be: so many times, as `not_finite/<name>`."""

DIAGNOSTICS = (GRADIENT_NORM, WEIGHT_NORM, ZERO_SHARE, DEAD_SHARE, CLASS_ROWS, NOT_FINITE)
"""Figures for rules and for whoever looks for a fault; the others say how good a model is."""


class RuleAction(StrEnum):
    """What follows when a rule finds something: it is told, or told and the job is stopped. OFF: it does not look."""

    NOTIFY = "notify"
    STOP = "stop"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChoice:
    """How one rule is to be applied to a job.

    Attributes:
        rule: its name; "all" stands for every rule.
        action: what follows.
        settings: thresholds in place of the rule's own.
    """

    rule: str
    action: RuleAction = RuleAction.NOTIFY
    settings: dict[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetting:
    """A threshold of a rule: what it is if nobody says otherwise, the least it may be, and what it means."""

    name: str
    default: float
    minimum: float
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDescription:
    """What a rule looks for.

    Attributes:
        looks_at: the live figures that it needs.
        finds: when it finds something, in a sentence.
    """

    name: str
    looks_at: str
    finds: str
    settings: tuple[RuleSetting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule has found on a job; each rule finds one thing at most.

    Attributes:
        step: of the figure that showed it.
        value: that the rule judged: a figure, a ratio or a share, as the message says.
        message: what it saw, and what to try.
    """

    id: int
    project: str
    job: str
    rule: str
    action: RuleAction
    step: int
    value: float
    message: str
    at: datetime
