"""The table of named environments."""

from sqlalchemy import Column, String, Table, Text

from modelyard.storage.columns import UtcDateTime
from modelyard.storage.metadata import jobs_metadata

environments = Table(
    "environments",
    jobs_metadata,
    Column("name", String(63), primary_key=True),
    Column("requirements", Text, nullable=False),
    Column("lock", Text, nullable=False),
    Column("python", String(20), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("created_by", String(200), nullable=False),
)
"""A row never changes: a name means one lock for good."""
