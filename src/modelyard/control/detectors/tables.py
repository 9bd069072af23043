"""The table of detectors that projects bring themselves."""

from sqlalchemy import JSON, Column, Integer, String, Table, Text

from modelyard.storage.columns import UtcDateTime
from modelyard.storage.metadata import operations_metadata

own_detectors = Table(
    "own_detectors",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("description", Text, nullable=False),
    Column("source", Text),
    Column("image", JSON(none_as_null=True)),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
)
