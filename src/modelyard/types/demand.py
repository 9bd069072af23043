"""What the gateway saw of every variant, written as one file for whoever decides how many replicas there are."""

from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandTable:
    """Everything that one gateway saw; `written_at` in seconds since the epoch."""

    written_at: float
    variants: tuple[VariantDemand, ...] = field(default_factory=tuple)
