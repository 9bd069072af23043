"""What happened at an endpoint and what it means: inferences, feedback, drift reports, retraining."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.retraining.rules import BudgetRules, DataWindow, GateRules, TriggerRules
from modelyard.types.signatures import Scalar


class Verdict(StrEnum):
    """One verdict per report. INSUFFICIENT: fewer rows than the monitor's minimum window."""

    NO_DRIFT = "NO_DRIFT"
    DRIFT = "DRIFT"
    INSUFFICIENT = "INSUFFICIENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """One captured request: inputs and outputs in the JSON form of their tensors."""

    id: str
    at: datetime
    endpoint: str
    variant: str
    model: str
    number: int
    rows: int
    latency_ms: float
    queue_ms: float
    inputs: dict[str, list[object]] = field(default_factory=dict)
    outputs: dict[str, list[object]] = field(default_factory=dict)
    feedback: list[Scalar | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackReceipt:
    """How a batch of ground truth was taken. Conflicting: another value was there; the newest counts."""

    accepted: int
    duplicate: int = 0
    conflicting: int = 0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFinding:
    """One column (or derived feature) of a report.

    Attributes:
        column: name ("age", "image.noise", "prediction.confidence").
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
    """A schedule and a detector over the captures of an endpoint. `version` is the ETag."""

    project: str
    name: str
    endpoint: str
    detector: str
    interval_seconds: float
    minimum_rows: int
    window_rows: int
    alarms_per_week: float
    is_enabled: bool
    last_report: DriftReport | None
    created_at: datetime
    updated_at: datetime
    version: int


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
