"""The table of documents; each application keeps its own."""

from sqlalchemy import Column, Index, String, Table

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import common_metadata

documents = Table(
    "documents",
    common_metadata,
    Column("kind", String(64), primary_key=True),
    Column("project", String(63), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("content", DataclassJson(dict), nullable=False),
    Column("tags", DataclassJson(dict[str, str]), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("modified_at", UtcDateTime(), nullable=False),
    Index("ix_documents_created", "kind", "project", "created_at"),
)
