"""Endpoints that nobody asks, and what they cost meanwhile."""

from dataclasses import dataclass
from datetime import datetime

from modelyard.types.endpoints import EndpointStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleEndpoint:
    """An endpoint without a request for some time.

    Attributes:
        replicas: processes that are kept for it now; 0: it rests, or has scaled to zero.
        last_request_at: None: nobody has ever asked it.
        idle_hours: since then, or since it was made or changed.
        cost_per_day: at the rate of yesterday and today.
        stays_warm: no policy lets it rest.
    """

    project: str
    name: str
    status: EndpointStatus
    replicas: int
    last_request_at: datetime | None
    idle_hours: float
    cost_per_day: float
    currency: str
    stays_warm: bool
