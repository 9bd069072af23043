"""Tables of monitors and their reports."""

from sqlalchemy import Boolean, Column, Float, ForeignKeyConstraint, Index, Integer, String, Table, Text

from modelyard.storage.columns import DataclassJson, StringTuple, UtcDateTime
from modelyard.storage.metadata import operations_metadata
from modelyard.types.monitoring import DriftReport

monitors = Table(
    "monitors",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("endpoint", String(63), nullable=False),
    Column("detectors", StringTuple(), nullable=False, server_default='["drift"]'),
    Column("interval_seconds", Float, nullable=False),
    Column("cron", String(100)),
    Column("every_rows", Integer),
    Column("baseline", String(80), nullable=False, server_default="training"),
    Column("minimum_rows", Integer, nullable=False),
    Column("window_rows", Integer, nullable=False),
    Column("alarms_per_week", Float, nullable=False),
    Column("channels", StringTuple(), nullable=False, server_default="[]"),
    Column("is_enabled", Boolean, nullable=False),
    Column("silenced_until", UtcDateTime()),
    Column("acknowledged", String(64)),
    Column("alerted_at", UtcDateTime()),
    Column("last_report", DataclassJson(DriftReport)),
    Column("next_run_at", UtcDateTime(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_monitors_due", "is_enabled", "next_run_at"),
)

monitor_memories = Table(
    "monitor_memories",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("monitor", String(63), primary_key=True),
    Column("model_version", String(80), primary_key=True),
    Column("content", Text, nullable=False),
    ForeignKeyConstraint(["project", "monitor"], ["monitors.project", "monitors.name"], ondelete="CASCADE"),
)
"""What a monitor has to remember from check to check (`checking.counting.QualityMemory`), by model version."""

drift_reports = Table(
    "drift_reports",
    operations_metadata,
    Column("id", String(64), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("monitor", String(63), nullable=False),
    Column("at", UtcDateTime(), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("report", DataclassJson(DriftReport), nullable=False),
    ForeignKeyConstraint(["project", "monitor"], ["monitors.project", "monitors.name"], ondelete="CASCADE"),
    Index("ix_drift_reports_history", "project", "monitor", "at", "id"),
)
"""`report` is the whole report; the other columns are what queries need."""
