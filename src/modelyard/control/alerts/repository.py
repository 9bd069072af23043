"""All SQL of alerts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, delete, insert, or_, select, update

from modelyard.control.alerts.tables import alert_channels, alert_deliveries, budget_notices
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.compute.costs import Budget
from modelyard.types.monitoring import AlertChannel, AlertDelivery, ChannelKind, DeliveryStatus


class AlertRepository:
    """Rows of `alert_channels` and `alert_deliveries`."""

    def channel(self, connection: Connection, project: str, name: str) -> AlertChannel | None:
        """A channel with its secret, if there is one of this name."""
        row = connection.execute(select(alert_channels).where(*_key(project, name))).mappings().one_or_none()
        return None if row is None else _channel(row)

    def channels(self, connection: Connection, project: str, page: PageQuery) -> list[AlertChannel]:
        """Channels by name."""
        statement = select(alert_channels).where(alert_channels.c.project == project)
        statement = keyset(statement, [alert_channels.c.name], page.after, page.limit)
        return [_channel(row) for row in connection.execute(statement).mappings()]

    def subscribers(self, connection: Connection, project: str) -> list[AlertChannel]:
        """The channels that take events."""
        statement = select(alert_channels).where(alert_channels.c.project == project, alert_channels.c.events != ())
        return [_channel(row) for row in connection.execute(statement.order_by(alert_channels.c.name)).mappings()]

    def insert_channel(self, connection: Connection, channel: AlertChannel) -> None:
        """Add a channel; its name must be free."""
        connection.execute(insert(alert_channels).values(asdict(channel)))

    def delete_channel(self, connection: Connection, project: str, name: str) -> None:
        """Remove a channel."""
        connection.execute(delete(alert_channels).where(*_key(project, name)))

    def add(self, connection: Connection, delivery: AlertDelivery) -> None:
        """Put an alert or event in the outbox."""
        connection.execute(insert(alert_deliveries).values(_values(delivery)))

    def due(
        self, connection: Connection, now: datetime, limit: int, without: Sequence[tuple[str, str]] = ()
    ) -> list[AlertDelivery]:
        """Pending deliveries whose time has come, the longest waiting first; none of the channels (project, name)."""
        table = alert_deliveries.c
        statement = select(alert_deliveries).where(table.status == DeliveryStatus.PENDING, table.next_attempt_at <= now)
        for project, name in without:
            statement = statement.where(or_(table.project != project, table.channel != name))
        rows = connection.execute(statement.order_by(table.next_attempt_at, table.id).limit(limit)).mappings()
        return [_delivery(row) for row in rows]

    def update(self, connection: Connection, delivery: AlertDelivery) -> None:
        """Replace what has become of a delivery."""
        statement = update(alert_deliveries).where(alert_deliveries.c.id == delivery.id)
        connection.execute(statement.values(_values(delivery)))

    def delivery(self, connection: Connection, delivery_id: str) -> AlertDelivery | None:
        """A delivery by id."""
        row = connection.execute(select(alert_deliveries).where(alert_deliveries.c.id == delivery_id)).mappings()
        found = row.one_or_none()
        return None if found is None else _delivery(found)

    def deliveries(self, connection: Connection, project: str, page: PageQuery) -> Sequence[AlertDelivery]:
        """Deliveries, the newest first."""
        table = alert_deliveries.c
        statement = select(alert_deliveries).where(table.project == project)
        statement = keyset(statement, [table.created_at, table.id], page.after, page.limit, descending=True)
        return [_delivery(row) for row in connection.execute(statement).mappings()]

    def was_told(self, connection: Connection, budget: Budget) -> bool:
        """True if the budget's present state was told in its month."""
        return connection.execute(select(budget_notices).where(*_notice(budget))).first() is not None

    def note_told(self, connection: Connection, budget: Budget) -> None:
        """It is told in this transaction."""
        connection.execute(insert(budget_notices).values({column.name: value for column, value in _told(budget)}))

    def delete_older(self, connection: Connection, moment: datetime) -> None:
        """Forget what ended before `moment`."""
        table = alert_deliveries.c
        connection.execute(delete(alert_deliveries).where(table.ended_at.is_not(None), table.ended_at < moment))


def _values(delivery: AlertDelivery) -> dict[str, Any]:
    return {**asdict(delivery), "alert": delivery.alert, "event": delivery.event}


def _key(project: str, name: str) -> tuple[Any, Any]:
    return alert_channels.c.project == project, alert_channels.c.name == name


def _told(budget: Budget) -> list[tuple[Column[Any], Any]]:
    return [(column, getattr(budget, column.name)) for column in budget_notices.c]


def _notice(budget: Budget) -> list[ColumnElement[bool]]:
    return [column == value for column, value in _told(budget)]


def _channel(row: RowMapping) -> AlertChannel:
    return AlertChannel(**{**row, "kind": ChannelKind(row["kind"])})


def _delivery(row: RowMapping) -> AlertDelivery:
    return AlertDelivery(**{**row, "status": DeliveryStatus(row["status"])})
