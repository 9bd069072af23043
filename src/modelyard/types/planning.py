"""How many replicas a load needs, said before it comes."""

from dataclasses import dataclass
from datetime import datetime

from modelyard.types.demand import ServiceCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a model version costs, measured in a worker of its own on this machine.

    Attributes:
        curve: how long a replica is occupied by batches of several sizes.
        cpu_seconds_per_row: processor time for a row that comes alone.
        memory_bytes: resident memory of a replica at its peak.
        measured_at: when.
    """

    curve: ServiceCurve
    cpu_seconds_per_row: float
    memory_bytes: int
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
