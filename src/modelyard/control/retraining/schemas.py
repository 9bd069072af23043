"""Request bodies of retraining policies."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.control.endpoints.rollouts.plans import RolloutSpec
from modelyard.control.tuning.schemas import RangeRequest
from modelyard.types.retraining.rules import WindowKind
from modelyard.types.tuning.searches import Strategy, TuningRules

_GAIN = (
    "The new version must be better on the new rows by at least this much: as a difference for accuracy and other "
    "shares (0.02 is two points), as a share of the running version's error for RMSE and MAE (0.02 is 2 % less)."
)
_LOSS = "On the held-out part of the old data the new version may be worse by at most this much (same units)."


class GateRequest(BaseModel):
    """How certain the proof of a new version must be, and what a replay of captured requests may show."""

    model_config = ConfigDict(extra="forbid")

    significance_level: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="A claim is proven if chance alone would bring about what was seen with at most this probability. "
        "0.5 compares the bare figures.",
    )
    maximum_slice_loss: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="In any one part of the data (region = 'north') the new version may be worse by at most this much.",
    )
    replay_requests: int = Field(
        default=1000, ge=0, le=100_000, description="Captured requests to send to both versions; 0: no replay."
    )
    minimum_replay_requests: int = Field(default=50, ge=1, le=100_000, description="Fewer requests cannot tell.")
    is_replay_required: bool = Field(
        default=False, description="Refuse a version when the replay could not tell; otherwise go on and say so."
    )
    maximum_slowdown: float = Field(
        default=1.5, ge=1, le=1000, description="CPU time of a request, as a multiple of the running version's."
    )
    slowdown_floor_ms: float = Field(
        default=0.2, ge=0, le=60_000, description="A request that costs less than this much more is not slower."
    )


class TriggersRequest(BaseModel):
    """What starts a run besides a monitor: any one of these, or the monitor, together with enough new labels."""

    model_config = ConfigDict(extra="forbid")

    schedule: str | None = Field(
        default=None, description="A cron expression of five fields, in UTC.", examples=["0 3 * * 1"]
    )
    maximum_decay: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="A run starts when the live answers are certainly worse than the version's held-out ones by more "
        "than this: a difference of accuracies, a share of the mean error. Null: decay starts nothing.",
    )


class BudgetRequest(BaseModel):
    """What the runs of a policy may use in seven days before it starts no more by itself; null: no limit."""

    model_config = ConfigDict(extra="forbid")

    runs_per_week: int | None = Field(default=None, ge=0, le=10_000, description="Number of runs.")
    job_seconds_per_week: float | None = Field(default=None, ge=0, description="Seconds that their jobs took.")


class WindowRequest(BaseModel):
    """The rule by which a run's training data are chosen."""

    model_config = ConfigDict(extra="forbid")

    kind: WindowKind = Field(
        default=WindowKind.ALL,
        description="ALL: the running version's data and the new labelled rows. NEWEST: the last `rows` of these. "
        "SINCE: labelled captures from `since` on, alone. WEIGHTED: all, the new rows `weight` times.",
    )
    rows: int | None = Field(default=None, ge=1, description="Of NEWEST.")
    since: AwareDatetime | None = Field(default=None, description="Of SINCE.")
    weight: int = Field(default=2, ge=2, le=100, description="Of WEIGHTED.")


class TuningRequest(BaseModel):
    """Which hyper-parameters a run looks for, instead of taking those of the running version."""

    model_config = ConfigDict(extra="forbid")

    space: dict[str, RangeRequest] = Field(
        default_factory=dict,
        max_length=32,
        description="What to try, by hyper-parameter of the running version's algorithm; empty: nothing.",
    )
    strategy: Strategy = Field(default=Strategy.TPE, description="How the next values are chosen.")
    max_trials: int = Field(default=20, ge=1, le=1000, description="So many are tried.")
    parallel_trials: int = Field(default=1, ge=1, le=64, description="So many at the same time.")
    time_limit_seconds: float | None = Field(default=None, gt=0, description="After this no trial starts.")

    def rules(self) -> TuningRules:
        """As plain data."""
        return TuningRules(
            space={name: each.range() for name, each in self.space.items()},
            strategy=self.strategy,
            max_trials=self.max_trials,
            parallel_trials=self.parallel_trials,
            time_limit_seconds=self.time_limit_seconds,
        )


class RunRequest(BaseModel):
    """What to run by hand."""

    model_config = ConfigDict(extra="forbid")

    version: str | None = Field(
        default=None,
        description="A model version that is there already: nothing is trained, it proves itself as a retrained one "
        "would and takes over if it can. Null: train a new one.",
        examples=["digits:7"],
    )


class PolicyCreate(BaseModel):
    """A new retraining policy."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 lower-case letters, digits, '.', '_' or '-'.", examples=["digits-retrain"])
    endpoint: str = Field(description="Whose model to retrain.", examples=["digits"])
    monitor: str | None = Field(
        default=None,
        description="A monitor of the same endpoint: its DRIFT verdict, together with enough new labels, starts a run. "
        "Null: enough new labels alone do.",
        examples=["digits-drift"],
    )
    minimum_new_labels: int = Field(
        default=200, ge=1, le=10_000_000, description="Labelled captured rows, newer than the last run, to start one."
    )
    minimum_gain: float = Field(default=0.01, ge=-1, le=1, description=_GAIN)
    maximum_loss: float = Field(default=0.02, ge=0, le=1, description=_LOSS)
    cooldown_seconds: float = Field(
        default=3600, ge=0, le=366 * 86400, description="Pause after a run before the next starts by itself."
    )
    gate: GateRequest = Field(default_factory=GateRequest, description="How certain the proof must be.")
    triggers: TriggersRequest = Field(default_factory=TriggersRequest, description="What else starts a run.")
    budget: BudgetRequest = Field(default_factory=BudgetRequest, description="What its runs may use.")
    window: WindowRequest = Field(default_factory=WindowRequest, description="Which rows a run learns from.")
    rollout: RolloutSpec | None = Field(
        default=None,
        description="How a version that is proven takes over; null: copies of all requests for a minute, then one "
        "request in a hundred for another, then all. `all_at_once` waits for no requests.",
    )
    tuning: TuningRequest = Field(
        default_factory=TuningRequest, description="Hyper-parameters to look for in each run."
    )
    is_enabled: bool = Field(default=True, description="Start by itself; by hand it starts anyway.")


class PolicyUpdate(BaseModel):
    """What may change about a policy; what is left out stays. Switching it on again forgets earlier failures."""

    model_config = ConfigDict(extra="forbid")

    minimum_new_labels: int | None = Field(default=None, ge=1, le=10_000_000, description="See creation.")
    minimum_gain: float | None = Field(default=None, ge=-1, le=1, description=_GAIN)
    maximum_loss: float | None = Field(default=None, ge=0, le=1, description=_LOSS)
    cooldown_seconds: float | None = Field(default=None, ge=0, le=366 * 86400, description="See creation.")
    gate: GateRequest | None = Field(default=None, description="Of its fields, too, those left out stay.")
    triggers: TriggersRequest | None = Field(default=None, description="Of its fields, too, those left out stay.")
    budget: BudgetRequest | None = Field(default=None, description="Of its fields, too, those left out stay.")
    window: WindowRequest | None = Field(default=None, description="Of its fields, too, those left out stay.")
    rollout: RolloutSpec | None = Field(default=None, description="See creation; given, it replaces the whole.")
    tuning: TuningRequest | None = Field(default=None, description="See creation; given, it replaces the whole.")
    is_enabled: bool | None = Field(default=None, description="See creation.")
