"""Where alerts and events go, and what became of them."""

from collections.abc import Sequence

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import OPERATIONS, Resource, act, create, delete, pages, read
from modelyard.sdk.steps import Flow
from modelyard.types.monitoring import AlertChannel, AlertDelivery


class Alerts(Resource[Mode]):
    """Channels that monitors tell and that take events, and the deliveries to them."""

    @call
    def create_webhook(
        self, name: str, url: str, *, events: Sequence[str] = (), endpoint: str | None = None
    ) -> Flow[AlertChannel]:
        """A channel that posts alerts and events, signed by the Standard Webhooks specification.

        The answer holds the signing secret, which is not shown again.

        Args:
            name: of the channel.
            url: that is posted to.
            events: kinds of events that are sent as they happen ("drift_found", "rollout_*", "*"); none: only the
                alerts of monitors that name this channel.
            endpoint: only events of this endpoint.
        """
        body = {"name": name, "kind": "webhook", "target": url, "events": events, "endpoint": endpoint}
        return create(AlertChannel, self._path(OPERATIONS, "alert-channels"), body)

    @call
    def create_email(
        self, name: str, address: str, *, events: Sequence[str] = (), endpoint: str | None = None
    ) -> Flow[AlertChannel]:
        """A channel that mails alerts and events; the platform needs a mail server (MODELYARD_SMTP_URL)."""
        body = {"name": name, "kind": "email", "target": address, "events": events, "endpoint": endpoint}
        return create(AlertChannel, self._path(OPERATIONS, "alert-channels"), body)

    @call
    def get(self, name: str) -> Flow[AlertChannel]:
        """A channel, without its secret."""
        return read(AlertChannel, self._path(OPERATIONS, "alert-channels", name))

    @listing
    def list(self) -> Pages[AlertChannel]:
        """Channels by name, without their secrets."""
        return pages(AlertChannel, self._path(OPERATIONS, "alert-channels"))

    @call
    def test(self, name: str) -> Flow[AlertDelivery]:
        """Send a test alert; `deliveries` says what became of it."""
        return act(AlertDelivery, self._path(OPERATIONS, "alert-channels", name, "test"))

    @call
    def delete(self, name: str) -> Flow[None]:
        """Delete a channel; what is on its way to it is given up."""
        return delete(self._path(OPERATIONS, "alert-channels", name))

    @listing
    def deliveries(self) -> Pages[AlertDelivery]:
        """What was sent to whom and what became of it, newest first."""
        return pages(AlertDelivery, self._path(OPERATIONS, "alert-deliveries"))
