"""Which channels take which events: an event goes into the outbox in the transaction that it is part of."""

from modelyard.control.alerts.repository import AlertRepository
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.database import Connection
from modelyard.types.endpoints import Event
from modelyard.types.monitoring import AlertChannel, AlertDelivery, DeliveryStatus

_ENDPOINT = "endpoint/"


class EventSubscriptions:
    """Forwards events. Safe from any thread.

    Args:
        repository: the outbox.
        clock: for times.
    """

    def __init__(self, repository: AlertRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    def forward(self, connection: Connection, event: Event) -> None:
        """Put an event on its way to every channel that takes it."""
        now = self._clock.now()
        for channel in self._repository.subscribers(connection, event.project):
            if takes(channel, event):
                delivery = AlertDelivery(
                    id=new_id("alert"),
                    project=event.project,
                    channel=channel.name,
                    event=event,
                    status=DeliveryStatus.PENDING,
                    attempts=0,
                    error="",
                    next_attempt_at=now,
                    created_at=now,
                    ended_at=None,
                )
                self._repository.add(connection, delivery)


def takes(channel: AlertChannel, event: Event) -> bool:
    """Whether a channel wants an event: by its kind ("rollout_*" is all that begin so), and by its endpoint."""
    if channel.endpoint is not None and event.subject != f"{_ENDPOINT}{channel.endpoint}":
        return False
    return any(
        event.kind.startswith(kind[:-1]) if kind.endswith("*") else event.kind == kind for kind in channel.events
    )
