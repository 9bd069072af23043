"""The table of events."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import operations_metadata

events = Table(
    "events",
    operations_metadata,
    # The order of events; SQLite numbers rows by itself only in a column of type INTEGER.
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcDateTime(), nullable=False),
    Column("project", String(63), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("message", Text, nullable=False),
    Column("details", DataclassJson(dict[str, str]), nullable=False),
    Index("ix_events_project_subject_sequence", "project", "subject", "sequence"),
    sqlite_autoincrement=True,  # a number is never used twice, also after old events were deleted
)
