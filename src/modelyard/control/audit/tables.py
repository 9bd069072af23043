"""The audit's table; each application keeps its own."""

from sqlalchemy import Column, Integer, String, Table

from modelyard.storage.columns import UtcDateTime
from modelyard.storage.metadata import common_metadata

audit_entries = Table(
    "audit_entries",
    common_metadata,
    Column("id", String(40), primary_key=True),  # grows with time: it orders the list
    Column("at", UtcDateTime(), nullable=False),
    Column("principal_id", String(40), nullable=False),
    Column("principal_name", String(200), nullable=False),
    Column("project", String(63), index=True),
    Column("method", String(10), nullable=False),
    Column("path", String(2000), nullable=False),
    Column("status", Integer, nullable=False),
)
