"""The rules of a retraining policy: what starts a run, what it may use, what it learns from, what it must prove."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """How certain the gate must be, and what a replay of captured requests may show.

    Attributes:
        significance_level: a claim counts as proven if chance alone would bring about what was seen with at most this
            probability. 0.5 compares the bare figures.
        maximum_slice_loss: in any one part of the data the new version may be worse by at most this much.
        replay_requests: so many captured requests are sent to both versions; 0: no replay.
        minimum_replay_requests: fewer cannot tell.
        is_replay_required: refuse a version when a replay could not tell; otherwise go on and say so.
        maximum_slowdown: the new version's CPU time of a request may be this many times the running one's.
        slowdown_floor_ms: a request that costs less than this many milliseconds more is not slower.
    """

    significance_level: float = 0.05
    maximum_slice_loss: float = 0.05
    replay_requests: int = 1000
    minimum_replay_requests: int = 50
    is_replay_required: bool = False
    maximum_slowdown: float = 1.5
    slowdown_floor_ms: float = 0.2


class WindowKind(StrEnum):
    """Which rows a retrained version learns from.

    ALL: the running version's data and the new labelled rows. NEWEST: the last `rows` of these. SINCE: labelled
    captures from a moment on, alone. WEIGHTED: all, the new rows `weight` times.
    """

    ALL = "ALL"
    NEWEST = "NEWEST"
    SINCE = "SINCE"
    WEIGHTED = "WEIGHTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataWindow:
    """The rule by which the training data of a run are chosen.

    Attributes:
        kind: see WindowKind.
        rows: of NEWEST.
        since: of SINCE.
        weight: of WEIGHTED.
    """

    kind: WindowKind = WindowKind.ALL
    rows: int | None = None
    since: datetime | None = None
    weight: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRules:
    """What starts a run besides a monitor, each together with enough new labels.

    Attributes:
        schedule: a cron expression, in UTC ("0 3 * * 1": Mondays at three).
        maximum_decay: the live answers may be worse than the version's held-out ones by this much: a difference of
            accuracies, a share of the mean error. None: decay starts nothing.
    """

    schedule: str | None = None
    maximum_decay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRules:
    """What the runs that start by themselves may use in seven days; None: no limit.

    Attributes:
        runs_per_week: number of runs.
        job_seconds_per_week: seconds that the jobs of the runs took.
    """

    runs_per_week: int | None = None
    job_seconds_per_week: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatus:
    """Whether a policy starts a run now, and why or why not ("waits for 37 more labelled rows")."""

    policy: str
    is_due: bool
    sentence: str
