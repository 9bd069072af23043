"""Endpoints: stable addresses whose variants are model versions with traffic weights."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.processes import Resources, SandboxLevel
from modelyard.types.serving.answers import AnswerForm


class EndpointStatus(StrEnum):
    """READY: every variant with traffic has a replica that answered its golden requests.

    IDLE: scaled to zero; a request is held while a replica comes back.
    """

    CREATING = "CREATING"
    READY = "READY"
    IDLE = "IDLE"
    UPDATING = "UPDATING"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    DELETING = "DELETING"


class ReplicaStatus(StrEnum):
    """STARTING (process runs), PROVING (golden requests under way), READY, DRAINING, ENDED."""

    STARTING = "STARTING"
    PROVING = "PROVING"
    READY = "READY"
    DRAINING = "DRAINING"
    ENDED = "ENDED"


class RolloutStatus(StrEnum):
    """Life of a change of variants."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ROLLED_BACK = "ROLLED_BACK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One model version behind an endpoint. Weights are relative; 0 keeps it loaded without traffic.

    `is_isolated`: its replicas share their processes with no other model. `answers`: how /invocations writes them.
    `title`: what callers from other systems call it; empty: its name.
    """

    name: str
    model: str
    number: int
    weight: float = 1.0
    replicas: int = 1
    resources: Resources = field(default_factory=Resources)
    is_isolated: bool = False
    answers: AnswerForm = AnswerForm.NAMED
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How many replicas each variant may have, and what decides between the two numbers.

    Attributes:
        minimum_replicas: as few as this; 0: none at all while nobody asks.
        maximum_replicas: as many as this.
        idle_seconds: without a request for this long, it goes down to the minimum.
        p99_ms: 99 of 100 answers shall come within this time: replicas are added before the prediction says otherwise.
            None: replicas are added so that each is busy for at most two thirds of the time.
    """

    minimum_replicas: int = 1
    maximum_replicas: int = 1
    idle_seconds: float = 300.0
    p99_ms: float | None = None


class Masking(StrEnum):
    """What becomes of a personal column before a capture is written.

    HASH: text and 64-bit integers become a keyed hash, so that equal values stay equal; other types are dropped.
    DROP: the value is missing (NaN, 0 where the type has no NaN, or the empty text).
    """

    HASH = "hash"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRules:
    """What is kept of an endpoint's captures, and for how long.

    Attributes:
        retention_days: older ones are deleted; None: after as long as the platform's setting says.
        personal_columns: column or tensor name -> what is done to it in the gateway, before anything is written.
    """

    retention_days: float | None = None
    personal_columns: dict[str, Masking] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A model in a process: one of its own, or one that it shares. `process` is the process's id, `pid` its number."""

    id: str
    variant: str
    status: ReplicaStatus
    process: str
    pid: int | None
    sandbox: SandboxLevel | None
    reason: str
    started_at: datetime | None


class StageKind(StrEnum):
    """SHADOW: the new version gets copies of requests, its answers are compared and thrown away.

    TRAFFIC: it answers a share of the requests.
    """

    SHADOW = "SHADOW"
    TRAFFIC = "TRAFFIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStage:
    """One stage: `share` (above 0, up to 1) of the requests is copied to the new version, or answered by it.

    A stage with all of the traffic keeps the old replicas loaded: going back takes no start. `requests`: how many the
    new version must have answered in it; None: as many as the plan says.
    """

    kind: StageKind
    share: float
    requests: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """The stages between "the new replicas are ready" and "the old ones end". None: all of the traffic moves at once.

    Attributes:
        stages: in their order.
        seconds: how long each lasts at least.
        requests: how many the new version must have answered in each, unless the stage says otherwise.
        limit_seconds: a stage that has not got its requests by then ends the rollout: nothing can be said.
        maximum_error_share: the new version may fail that much more often than the old one (0.01 is one in a hundred).
        maximum_slowdown: its batches may take the old one's time as often as this.
        minimum_agreement: share of the copied requests that it must answer as the old one did; 0: it may differ.
        maximum_loss: of the answers whose truth is known, that share more may be wrong than with the old version; of
            numbers, the errors (RMSE) may be larger by that share.
        needs_approval: a person says whether it takes over after the last stage.
    """

    stages: tuple[RolloutStage, ...] = ()
    seconds: float = 60.0
    requests: int = 50
    limit_seconds: float = 3600.0
    maximum_error_share: float = 0.01
    maximum_slowdown: float = 2.0
    minimum_agreement: float = 0.0
    maximum_loss: float = 0.02
    needs_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A change of variants: the new ones are made ready first, then traffic moves, then the old ones drain.

    Attributes:
        plan: the stages in which the traffic moves.
        stage: index of the one that is under way; None: the new replicas are being made ready, or it has ended.
        stage_since: when it began.
        is_approved: a person has agreed.
    """

    id: str
    endpoint: str
    status: RolloutStatus
    reason: str
    from_variants: tuple[Variant, ...]
    to_variants: tuple[Variant, ...]
    plan: RolloutPlan = field(default_factory=RolloutPlan)
    stage: int | None = None
    stage_since: datetime | None = None
    is_approved: bool = False
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def current_stage(self) -> RolloutStage | None:
        """The stage that is under way, if one is."""
        is_in_stage = self.status is RolloutStatus.RUNNING and self.stage is not None
        return self.plan.stages[self.stage or 0] if is_in_stage else None

    @property
    def needed_requests(self) -> int:
        """How many requests the new version must have answered in the stage that is under way."""
        stage = self.current_stage
        return self.plan.requests if stage is None or stage.requests is None else stage.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A stable address. `observed` says what really runs; `reason` says why the status is not READY.

    `url` is relative to the platform's address: a proxy in front of it has one of its own. `version` is the ETag.
    `capture_share` is the share of requests that are recorded (0 to 1), by the rules in `capture`. `scaling` None:
    replicas are a fixed number. `stays_warm`: no policy ends its replicas when nobody asks.
    """

    project: str
    name: str
    status: EndpointStatus
    reason: str
    variants: tuple[Variant, ...]
    replicas: tuple[Replica, ...] = ()
    rollout: Rollout | None = None
    capture_share: float = 1.0
    capture: CaptureRules = field(default_factory=CaptureRules)
    scaling: Scaling | None = None
    stays_warm: bool = False
    url: str = ""
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a resource, in order, for people and programs that watch."""

    id: str
    at: datetime
    project: str
    subject: str
    kind: str
    message: str
    details: dict[str, str] = field(default_factory=dict)
