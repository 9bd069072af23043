"""What is asked of endpoints, how long that takes, and how many replicas it needs."""

from dataclasses import dataclass, field
from datetime import datetime

QUANTILES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 1.0)
"""At which shares a ServicePoint tells the distribution of its times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePoint:
    """How long a replica was occupied by batches of about `rows` rows.

    Attributes:
        batches: how many were measured.
        mean_seconds: their mean.
        quantiles_seconds: their distribution, at QUANTILES.
    """

    rows: float
    batches: int
    mean_seconds: float
    quantiles_seconds: tuple[float, ...]


ServiceCurve = tuple[ServicePoint, ...]
"""Points by growing number of rows. It never falls in truth; a measured one may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of a variant's requests since its gateway has known it. Refused inputs are the callers' fault.

    Attributes:
        answered: requests.
        failed: requests that it should have answered.
        nan_rows: rows with NaN where the version's golden answers have none.
        compared: copied requests whose answer was held beside the one that the caller got.
        differing: of those, the ones that were answered otherwise.
    """

    answered: int = 0
    failed: int = 0
    nan_rows: int = 0
    compared: int = 0
    differing: int = 0

    def __add__(self, other: "Outcomes") -> "Outcomes":
        return Outcomes(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})

    def since(self, earlier: "Outcomes") -> "Outcomes":
        """What was added; nothing where a count has fallen, because a gateway ended or started anew."""
        return Outcomes(
            **{name: max(0, getattr(self, name) - getattr(earlier, name)) for name in self.__dataclass_fields__}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantDemand:
    """One variant.

    Attributes:
        waiting: requests that wait for a replica at this moment.
        ready_replicas: replicas that take requests.
        last_request_at: seconds since the epoch; None: no request since the gateway started.
        arrivals: requests of each of the last seconds, newest last.
        rows_per_request: on average over the last batches.
        busy_share: of the last second, the share that the ready replicas were occupied; above 1 for several.
        curve: service times of the last batches.
        outcomes: what became of its requests.
    """

    project: str
    endpoint: str
    variant: str
    model: str
    number: int
    waiting: int = 0
    ready_replicas: int = 0
    last_request_at: float | None = None
    arrivals: tuple[int, ...] = ()
    rows_per_request: float = 1.0
    busy_share: float = 0.0
    curve: ServiceCurve = ()
    outcomes: Outcomes = field(default_factory=Outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandTable:
    """What one gateway saw of every variant, as a file for whoever scales; `written_at` in seconds since the epoch."""

    written_at: float
    variants: tuple[VariantDemand, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a model version costs, measured in a worker of its own on this machine.

    Attributes:
        curve: how long a replica is occupied by batches of several sizes.
        wake_seconds: what a batch takes longer when its replica had nothing to do before.
        cpu_seconds_per_row: processor time for a row that comes alone.
        memory_bytes: resident memory of a replica at its peak.
        measured_at: when.
    """

    curve: ServiceCurve
    cpu_seconds_per_row: float
    memory_bytes: int
    wake_seconds: float = 0.0
    measured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What is to be expected of so many replicas at such a rate. `p50_ms` and `p99_ms` None: the queue has no end.

    Attributes:
        requests_per_second: the rate.
        utilisation: share of the time that a replica works.
        mean_batch: requests in a batch, on average.
        capacity: the most requests a second that these replicas answer.
    """

    replicas: int
    requests_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    utilisation: float
    mean_batch: float
    capacity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a load needs on this machine.

    Attributes:
        model: the version ("digits:2").
        p99_ms: the objective, if there is one.
        prediction: of the smallest number of replicas that meets the objective; None: see `reason`.
        is_host_saturated: the machine is too busy for any prediction to hold, or would be under this load.
        reason: why there is no prediction, or why it does not meet the objective; else empty.
        memory_bytes: of all replicas.
        cpu_seconds_per_1000: processor time of the replicas for a thousand requests.
        cores_needed: processors that the replicas keep busy.
        measured_at: when the service times were measured.
        curve: the service times.
    """

    model: str
    requests_per_second: float
    p99_ms: float | None
    prediction: Prediction | None
    is_host_saturated: bool
    reason: str
    memory_bytes: int = 0
    cpu_seconds_per_1000: float = 0.0
    cores_needed: float = 0.0
    measured_at: datetime | None = None
    curve: ServiceCurve = ()
