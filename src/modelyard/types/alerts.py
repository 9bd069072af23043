"""Where alerts go, and what became of each."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
    """A receiver of alerts.

    Attributes:
        target: URL of a webhook, or an e-mail address.
        secret: what webhooks are signed with; shown once, when the channel is made.
        version: the ETag.
    """

    project: str
    name: str
    kind: ChannelKind
    target: str
    secret: str | None = None
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDelivery:
    """One alert on its way to one channel. `error` is why the last attempt failed."""

    id: str
    project: str
    channel: str
    alert: Alert
    status: DeliveryStatus
    attempts: int
    error: str
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
