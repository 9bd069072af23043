"""Tables of models. `model_facts` holds what discovery compares: one row a value, indexed by field."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from modelyard.storage.columns import DataclassJson, StringTuple, UtcDateTime
from modelyard.storage.metadata import registry_metadata
from modelyard.types.models import Evaluation, Lineage, Manifest

MAXIMUM_FACT_TEXT = 512
"""Longer values are compared by their first characters: an index row must fit a page of PostgreSQL."""

models = Table(
    "models",
    registry_metadata,
    Column("id", String(40), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", StringTuple(), nullable=False),
    Column("search_text", Text, nullable=False),
    Column("latest", Integer),
    Column("next_number", Integer, nullable=False),  # numbers of deleted versions are never given out again
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("project", "name"),
)

model_tags = Table(
    "model_tags",
    registry_metadata,
    Column("model_id", ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    Column("tag", String(MAXIMUM_FACT_TEXT), nullable=False),
    PrimaryKeyConstraint("model_id", "tag"),
)

model_versions = Table(
    "model_versions",
    registry_metadata,
    Column("id", String(40), primary_key=True),
    Column("model_id", ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("manifest", DataclassJson(Manifest), nullable=False),
    Column("lineage", DataclassJson(Lineage), nullable=False),
    Column("search_text", Text, nullable=False),
    Column("created_at", UtcDateTime(), nullable=False, index=True),
    UniqueConstraint("model_id", "number"),
    UniqueConstraint("model_id", "digest"),
)

model_files = Table(
    "model_files",
    registry_metadata,
    Column("version_id", ForeignKey("model_versions.id", ondelete="CASCADE"), nullable=False),
    Column("path", String(255), nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("version_id", "path"),
)

model_facts = Table(
    "model_facts",
    registry_metadata,
    Column("version_id", ForeignKey("model_versions.id", ondelete="CASCADE"), nullable=False),
    Column("field", String(300), nullable=False),
    Column("position", Integer, nullable=False),  # 0 but for fields with several values
    Column("text", String(MAXIMUM_FACT_TEXT)),
    Column("number", Double),
    PrimaryKeyConstraint("version_id", "field", "position"),
    Index("ix_model_facts_field_text", "field", "text", "version_id"),
    Index("ix_model_facts_field_number", "field", "number", "version_id"),
)

model_aliases = Table(
    "model_aliases",
    registry_metadata,
    Column("model_id", ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    Column("alias", String(63), nullable=False),
    Column("version_id", ForeignKey("model_versions.id", ondelete="CASCADE"), nullable=False, index=True),
    PrimaryKeyConstraint("model_id", "alias"),
)

model_evaluations = Table(
    "model_evaluations",
    registry_metadata,
    Column("version_id", ForeignKey("model_versions.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(63), nullable=False),
    Column("evaluation", DataclassJson(Evaluation), nullable=False),
    PrimaryKeyConstraint("version_id", "name"),
)

model_deployments = Table(
    "model_deployments",
    registry_metadata,
    Column("project", String(63), nullable=False),
    Column("endpoint", String(63), nullable=False),
    Column("version_id", ForeignKey("model_versions.id", ondelete="RESTRICT"), nullable=False, index=True),
    PrimaryKeyConstraint("project", "endpoint", "version_id"),
)

model_garbage = Table(
    "model_garbage",  # content of deleted versions, to be removed from the object store
    registry_metadata,
    Column("digest", String(64), primary_key=True),
)
