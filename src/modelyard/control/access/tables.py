"""The table of tokens. Secrets are not in it, only their hashes."""

from sqlalchemy import Column, Float, String, Table

from modelyard.storage.columns import UtcDateTime
from modelyard.storage.metadata import registry_metadata

tokens = Table(
    "tokens",
    registry_metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("project", String(63), index=True),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("expires_at", UtcDateTime()),
    Column("revoked_at", UtcDateTime()),
    Column("last_used_at", UtcDateTime()),
    Column("requests_per_second", Float),
)
