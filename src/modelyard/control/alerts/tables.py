"""Tables of alert channels and deliveries."""

from sqlalchemy import Column, Date, Float, Index, Integer, String, Table, Text

from modelyard.storage.columns import DataclassJson, StringTuple, UtcDateTime
from modelyard.storage.metadata import operations_metadata
from modelyard.types.endpoints import Event
from modelyard.types.monitoring import Alert

alert_channels = Table(
    "alert_channels",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("target", Text, nullable=False),
    Column("events", StringTuple(), nullable=False, server_default="[]"),
    Column("endpoint", String(63)),
    Column("secret", String(128)),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
)
"""`secret` signs what is sent, so it must be readable here, unlike a token's."""

alert_deliveries = Table(
    "alert_deliveries",
    operations_metadata,
    Column("id", String(64), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("channel", String(63), nullable=False),
    Column("alert", DataclassJson(Alert)),
    Column("event", DataclassJson(Event)),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("next_attempt_at", UtcDateTime()),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("ended_at", UtcDateTime()),
    Index("ix_alert_deliveries_due", "status", "next_attempt_at"),
    Index("ix_alert_deliveries_history", "project", "created_at", "id"),
)
"""The outbox: a row is written in the transaction of the report or event that it tells, one of `alert` and `event`."""

budget_notices = Table(
    "budget_notices",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("month", Date, primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("amount", Float, primary_key=True),
)
"""Budgets whose state was told: once in a month, unless the budget is another one since."""
