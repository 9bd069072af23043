"""The table of access keys. Secrets are not in it: they follow from the id and a key in the state directory."""

from sqlalchemy import Column, String, Table

from modelyard.storage.columns import UtcDateTime
from modelyard.storage.metadata import registry_metadata

access_keys = Table(
    "access_keys",
    registry_metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("project", String(63), nullable=False, index=True),
    Column("role", String(20), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("revoked_at", UtcDateTime()),
)
