"""Tables of uploads: one row a piece, so that a piece counts only once it is stored."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, PrimaryKeyConstraint, String, Table, Text

from modelyard.storage.columns import UtcDateTime
from modelyard.storage.metadata import registry_metadata

uploads = Table(
    "uploads",
    registry_metadata,
    Column("id", String(40), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("filename", Text, nullable=False),
    Column("size_bytes", BigInteger),
    Column("offset", BigInteger, nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False, index=True),
    Column("created_by", Text, nullable=False),
)

upload_parts = Table(
    "upload_parts",
    registry_metadata,
    Column("upload_id", ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("key", String(120), nullable=False),
    PrimaryKeyConstraint("upload_id", "offset"),
)
