"""Rules of alerts: who receives them, and that none is lost between a verdict and its receivers."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from modelyard.control.alerts.errors import ChannelExistsError, ChannelNotFoundError, ChannelTargetInvalidError
from modelyard.control.alerts.repository import AlertRepository
from modelyard.control.alerts.schemas import ChannelCreate
from modelyard.control.alerts.signatures import new_secret
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name, new_id
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.monitoring import Alert, AlertChannel, AlertDelivery, AlertKind, ChannelKind, DeliveryStatus


class AlertService:
    """Channels, and the outbox of alerts. Safe from any thread."""

    def __init__(self, database: Database, repository: AlertRepository, creations: Creations, clock: Clock) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._clock = clock

    def channels(self, project: str, page: PageQuery) -> Page[AlertChannel]:
        """Channels by name, without their secrets."""
        with self._database.read() as connection:
            found = self._repository.channels(connection, project, page)
        return page.page([replace(channel, secret=None) for channel in found], lambda item: (item.name,))

    def channel(self, project: str, name: str) -> AlertChannel:
        """A channel, without its secret.

        Raises:
            ChannelNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return replace(self._found(connection, project, name), secret=None)

    def create(self, project: str, body: ChannelCreate, creation: Creation | None) -> AlertChannel:
        """A new channel; a webhook's secret is in this answer and never again.

        Raises:
            NameInvalidError, ChannelTargetInvalidError: the request is wrong.
            ChannelExistsError: the name is taken.
        """
        check_name(body.name)
        _check_target(body.kind, body.target)
        channel = AlertChannel(
            project=project,
            name=body.name,
            kind=body.kind,
            target=body.target,
            events=tuple(dict.fromkeys(body.events)),
            endpoint=body.endpoint,
            secret=new_secret() if body.kind is ChannelKind.WEBHOOK else None,
            created_at=self._clock.now(),
            version=1,
        )
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return self._found(connection, project, made)
            if self._repository.channel(connection, project, body.name) is not None:
                raise ChannelExistsError(
                    f"There is an alert channel '{body.name}' already", hint="Choose another name.", field="name"
                )
            self._repository.insert_channel(connection, channel)
            self._creations.record(connection, creation, channel.name)
        return channel

    def delete(self, project: str, name: str) -> None:
        """Remove a channel; what is still on its way to it is given up.

        Raises:
            ChannelNotFoundError: there is none.
        """
        with self._database.transaction() as connection:
            self._found(connection, project, name)
            self._repository.delete_channel(connection, project, name)

    def check_channels(self, project: str, names: Sequence[str]) -> None:
        """Nothing if all these channels exist.

        Raises:
            ChannelNotFoundError: one does not.
        """
        with self._database.read() as connection:
            for name in names:
                self._found(connection, project, name)

    def send(self, connection: Connection, channels: Sequence[str], alert: Alert) -> None:
        """Put an alert in the outbox, in the transaction of what it tells."""
        for channel in channels:
            self._repository.add(connection, self._delivery(channel, alert))

    def send_test(self, project: str, name: str) -> AlertDelivery:
        """An alert that only says that alerts arrive.

        Raises:
            ChannelNotFoundError: there is none.
        """
        alert = Alert(
            kind=AlertKind.TEST,
            project=project,
            monitor="",
            endpoint="",
            verdict="",
            message=f"This is a test of the alert channel '{name}'.",
            report="",
            at=self._clock.now(),
        )
        delivery = self._delivery(name, alert)
        with self._database.transaction() as connection:
            self._found(connection, project, name)
            self._repository.add(connection, delivery)
        return delivery

    def deliveries(self, project: str, page: PageQuery) -> Page[AlertDelivery]:
        """What became of alerts, the newest first."""
        with self._database.read() as connection:
            found = self._repository.deliveries(connection, project, page)
        return page.page(found, lambda item: (item.created_at, item.id))

    def _delivery(self, channel: str, alert: Alert) -> AlertDelivery:
        now = self._clock.now()
        return AlertDelivery(
            id=new_id("alert"),
            project=alert.project,
            channel=channel,
            alert=alert,
            status=DeliveryStatus.PENDING,
            attempts=0,
            error="",
            next_attempt_at=now,
            created_at=now,
            ended_at=None,
        )

    def _found(self, connection: Connection, project: str, name: str) -> AlertChannel:
        channel = self._repository.channel(connection, project, name)
        if channel is None:
            raise ChannelNotFoundError(
                f"There is no alert channel '{name[:80]}'",
                hint="GET /operations/v1/projects/<project>/alert-channels lists them.",
                field="channels",
            )
        return channel


def _check_target(kind: ChannelKind, target: str) -> None:
    if kind is ChannelKind.WEBHOOK:
        parts = urlsplit(target)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ChannelTargetInvalidError(
                f"'{target[:80]}' is not a URL that alerts can be posted to",
                hint="Give http:// or https://, a host, and no user name in it.",
                field="target",
            )
        return
    name, at, host = target.rpartition("@")
    if not (name and at and host) or any(letter.isspace() or letter in "<>,;" for letter in target):
        raise ChannelTargetInvalidError(
            f"'{target[:80]}' is not one e-mail address",
            hint="Give one address, e.g. team@example.org.",
            field="target",
        )
