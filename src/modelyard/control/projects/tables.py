"""The table of projects."""

from sqlalchemy import Column, Float, Integer, String, Table, Text

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import registry_metadata
from modelyard.types.compute.scheduling import Quota

projects = Table(
    "projects",
    registry_metadata,
    Column("name", String(63), primary_key=True),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
    Column("code_permission", Text, nullable=False, server_default=""),
    Column("idle_after_hours", Float),
    Column("quota", DataclassJson(Quota), nullable=False, server_default="{}"),
)
