"""What happened at an endpoint and what it means: inferences, feedback, drift reports, retraining, alerts."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from modelyard.types.endpoints import Event, RolloutPlan
from modelyard.types.retraining.rules import BudgetRules, DataWindow, GateRules, TriggerRules
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.searches import TuningRules


class Verdict(StrEnum):
    """One verdict per report. INSUFFICIENT: fewer rows than the monitor's minimum window."""

    NO_DRIFT = "NO_DRIFT"
    DRIFT = "DRIFT"
    INSUFFICIENT = "INSUFFICIENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """One captured request: inputs and outputs in the JSON form of their tensors.

    Attributes:
        latency_ms: the sum of the three that follow.
        queue_ms: until its batch was sent to a replica.
        batch_ms: on the way, behind other batches, and until the answer was written.
        model_ms: the model's own time for the batch.
        principal: id of the token that asked.
        masked: columns whose values were hashed or dropped before they were recorded.
        trace_id: of the trace that the caller named (W3C Trace Context); empty if none.
        parent_span_id: of the caller's span in it.
    """

    id: str
    at: datetime
    endpoint: str
    variant: str
    model: str
    number: int
    rows: int
    latency_ms: float
    queue_ms: float
    batch_ms: float = 0.0
    model_ms: float = 0.0
    principal: str = ""
    masked: tuple[str, ...] = ()
    trace_id: str = ""
    parent_span_id: str = ""
    inputs: dict[str, list[object]] = field(default_factory=dict)
    outputs: dict[str, list[object]] = field(default_factory=dict)
    feedback: list[Scalar | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAnswer:
    """What a query over captures gave; `types` are DuckDB's, `is_truncated`: there are more rows than were wanted."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[list[Any]]
    is_truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePrediction:
    """The answer to one row (from 0) of data that was named: the prediction, or `error` with its code and message.

    `place` is the row's place in the inference: ground truth is a list with a value for each of its rows.
    """

    row: int
    prediction: Any = None
    inference_id: str | None = None
    place: int = 0
    error: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturesDeleted:
    """How many captured inferences were deleted."""

    inferences: int


class TruthStatus(StrEnum):
    """Whether the inference that a truth is about was found among the captures.

    FRESH: not looked for yet. PENDING: not there yet; captures may come later than truth. UNKNOWN: not there after the
    time that truth is kept pending; it counts again should the capture come after all.
    """

    FRESH = "FRESH"
    PENDING = "PENDING"
    MATCHED = "MATCHED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackReceipt:
    """How a batch of ground truth was taken. Conflicting: another value was there; the newest counts."""

    accepted: int
    duplicate: int = 0
    conflicting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedTruth:
    """A line (or row, from 1) of a file of ground truth that could not be taken, and why."""

    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackFileReceipt:
    """How a file of ground truth was taken; `refusals` are the first of those that were refused."""

    accepted: int = 0
    duplicate: int = 0
    conflicting: int = 0
    refused: int = 0
    refusals: tuple[RefusedTruth, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackSummary:
    """What became of all ground truth of an endpoint.

    Attributes:
        inferences: for which any truth came.
        labels: rows whose truth is known.
        matched: inferences that are among the captures.
        pending: inferences that are not there yet.
        unknown: inferences that are not there, and for which nobody waits any more.
        late: inferences whose first truth came later after the answer than was asked about.
        conflicting: inferences for which different truths came; the newest counts.
        duplicates: how often the same truth came again.
        mean_delay_seconds: from the answer to its first truth.
    """

    endpoint: str
    inferences: int
    labels: int
    matched: int
    pending: int
    unknown: int
    late: int
    conflicting: int
    duplicates: int
    mean_delay_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMetrics:
    """Quality over labelled inferences of a window, per version; `n` rows, 95 % interval [low, high]."""

    endpoint: str
    model_version: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    since: datetime | None
    until: datetime | None


class FindingKind(StrEnum):
    """What a finding is about: each is judged by itself, so that a missing value never passes for a shift."""

    DISTRIBUTION = "distribution"
    MISSING = "missing"
    NEVER_SEEN = "never_seen"
    TYPE = "type"
    REPEATED = "repeated"
    TOGETHER = "together"
    QUALITY = "quality"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFinding:
    """One column (or derived feature) of a report, and one thing about it.

    Attributes:
        column: name ("age", "image.noise", "prediction.confidence"), "rows" for whole rows.
        kind: what about it.
        is_drifted: after the correction over columns, and large enough to matter.
        effect: size in the unit that `effect_unit` names ("standard deviations", "share of rows moved").
        p_value: calibrated for this window's size.
        description: plain words ("noise rose from 2.1 to 4.9").
    """

    column: str
    is_drifted: bool
    effect: float
    effect_unit: str
    p_value: float
    description: str
    kind: FindingKind = FindingKind.DISTRIBUTION


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """One run of a monitor: one verdict and the sentence that explains it."""

    id: str
    monitor: str
    endpoint: str
    model_version: str
    at: datetime
    verdict: Verdict
    sentence: str
    rows: int
    findings: tuple[ColumnFinding, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A schedule and detectors over the captures of an endpoint.

    Attributes:
        detectors: names; the monitor's verdict is DRIFT as soon as one of them says so.
        interval_seconds: time between two checks, unless `cron` (five fields, UTC) or `every_rows` says otherwise.
        baseline: what traffic is compared with: "training", "previous-week", or "endpoint/NAME".
        channels: where alerts go.
        silenced_until: no alerts before; checks and events go on.
        acknowledged: the report that somebody has taken note of: no reminders while the trouble lasts.
        version: the ETag.
    """

    project: str
    name: str
    endpoint: str
    detectors: tuple[str, ...]
    interval_seconds: float
    cron: str | None = None
    every_rows: int | None = None
    baseline: str = "training"
    minimum_rows: int
    window_rows: int
    alarms_per_week: float
    channels: tuple[str, ...] = ()
    is_enabled: bool
    silenced_until: datetime | None = None
    acknowledged: str | None = None
    last_report: DriftReport | None
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorImage:
    """A program in an image that answers as a detector.

    Attributes:
        reference: of the image, as it was given.
        digest: what the reference meant then, which is what runs.
        command: program and arguments; empty: what the image says.
    """

    reference: str
    digest: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorDescription:
    """A detector that monitors can name. One's own has a `source`, a Python file, or an `image`; no other has either.

    `version` is the ETag of one's own.
    """

    name: str
    description: str
    source: str | None = None
    image: DetectorImage | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPoint:
    """A metric over one stretch of time, with a 95 % interval (None where there is none).

    Attributes:
        n: labelled rows that answered in this stretch; without any there is no value.
    """

    model_version: str
    metric: str
    since: datetime
    until: datetime
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


class RetrainingStatus(StrEnum):
    """Steps of one retraining run, in order; the last three are final."""

    COLLECTING = "COLLECTING"
    TRAINING = "TRAINING"
    JUDGING = "JUDGING"
    ROLLING_OUT = "ROLLING_OUT"
    PROMOTED = "PROMOTED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """True for PROMOTED, REJECTED and FAILED."""
        return self in (RetrainingStatus.PROMOTED, RetrainingStatus.REJECTED, RetrainingStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingPolicy:
    """When to retrain an endpoint's model and what the new version must prove.

    Attributes:
        monitor: its DRIFT verdict starts a run (None, and no other trigger: `minimum_new_labels` alone do, or a hand).
        minimum_new_labels: labelled captured rows that must be there before a run starts.
        minimum_gain: the new version's metric on new labelled rows must exceed the running one's by this much.
        maximum_loss: on the old held-out rows it may be worse by at most this much.
        cooldown_seconds: pause after a run.
        gate: how certain the proof must be, and what a replay may show.
        triggers: what else starts a run.
        budget: what its runs may use.
        window: which rows a run learns from.
        rollout: how a version that is proven takes over.
        tuning: which hyper-parameters a run looks for.
        version: the ETag.
    """

    project: str
    name: str
    endpoint: str
    monitor: str | None
    minimum_new_labels: int
    minimum_gain: float
    maximum_loss: float
    cooldown_seconds: float
    gate: GateRules = field(default_factory=GateRules)
    triggers: TriggerRules = field(default_factory=TriggerRules)
    budget: BudgetRules = field(default_factory=BudgetRules)
    window: DataWindow = field(default_factory=DataWindow)
    rollout: RolloutPlan = field(default_factory=RolloutPlan)
    tuning: TuningRules = field(default_factory=TuningRules)
    is_enabled: bool
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingRun:
    """One run of a policy: what started it, what it made, and why it ended as it did."""

    id: str
    project: str
    policy: str
    endpoint: str
    status: RetrainingStatus
    cause: str
    reason: str
    old_version: str
    new_version: str | None = None
    job: str | None = None
    figures: dict[str, float] = field(default_factory=dict)
    started_at: datetime
    ended_at: datetime | None = None


class ChannelKind(StrEnum):
    """How an alert travels."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class DeliveryStatus(StrEnum):
    """PENDING until it was taken or given up."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"


class AlertKind(StrEnum):
    """What an alert says. REMINDER: the trouble lasts and nobody has acknowledged it."""

    DRIFT = "drift"
    FAILED = "failed"
    ENDED = "ended"
    REMINDER = "reminder"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """The content of an alert; a webhook's body is this as JSON."""

    kind: AlertKind
    project: str
    monitor: str
    endpoint: str
    verdict: str
    message: str
    report: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChannel:
    """A receiver of the alerts of monitors that name it, and of the events that it asks for.

    Attributes:
        target: URL of a webhook, or an e-mail address.
        events: kinds of events ("rollout_completed"; "rollout_*" is all that begin so); empty: none.
        endpoint: only events of this endpoint; null: of all in the project.
        secret: what webhooks are signed with; shown once, when the channel is made.
        version: the ETag.
    """

    project: str
    name: str
    kind: ChannelKind
    target: str
    events: tuple[str, ...] = ()
    endpoint: str | None = None
    secret: str | None = None
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDelivery:
    """One alert, or one event, on its way to one channel. `error` is why the last attempt failed."""

    id: str
    project: str
    channel: str
    alert: Alert | None = None
    event: Event | None = None
    status: DeliveryStatus
    attempts: int
    error: str
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def content(self) -> Alert | Event:
        """What is told; a webhook's body is this as JSON."""
        content = self.alert if self.alert is not None else self.event
        assert content is not None  # noqa: S101 - it is made with one of the two
        return content
