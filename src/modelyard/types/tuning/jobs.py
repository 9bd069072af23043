"""A tuning job and its trials, as the API shows them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.jobs import JobStatus
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.searches import Search


class TrialStatus(StrEnum):
    """RUNNING (its job waits or runs), then COMPLETED, ENDED_EARLY (others were better), FAILED or STOPPED."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ENDED_EARLY = "ENDED_EARLY"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One try.

    Attributes:
        number: from 0, in the order in which they began.
        hyperparameters: those of the search space.
        job: that carries it.
        values: its figures by metric: objectives, constraints.
        is_feasible: it keeps all constraints.
        curve: step -> live figure that early stopping looks at.
        message: why it failed.
        is_ending: it was asked to end early.
        parent: number of the trial whose checkpoint it went on from.
        has_files: what its script left is there, unless it left nothing.
    """

    number: int
    status: TrialStatus
    hyperparameters: dict[str, Scalar]
    job: str | None = None
    values: dict[str, float] = field(default_factory=dict)
    is_feasible: bool = True
    curve: dict[int, float] = field(default_factory=dict)
    message: str = ""
    is_ending: bool = False
    parent: int | None = None
    has_files: bool = True
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningJob:
    """A search and where it stands.

    Attributes:
        counts: trials by status.
        best: number of the best trial, if there is one objective.
        front: numbers of the trials that no other one beats in every objective.
        result: {"job": ..., "model_version": ...} of the best, trained once more on all that trials had to spare.
        seconds: that its trials ran, as far as they have ended.
        message: why it failed, or ended as it did.
    """

    project: str
    id: str
    status: JobStatus
    search: Search
    created_at: datetime
    created_by: str
    counts: dict[str, int] = field(default_factory=dict)
    best: Trial | None = None
    front: tuple[int, ...] = ()
    result: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""
    ended_at: datetime | None = None
    version: int = 1
