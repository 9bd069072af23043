"""Tables of datasets. `dataset_contents` has one row a stored content, which several versions may share."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from modelyard.storage.columns import DataclassJson, StringTuple, UtcDateTime
from modelyard.storage.metadata import registry_metadata
from modelyard.types.datasets import DatasetSchema

datasets = Table(
    "datasets",
    registry_metadata,
    Column("id", String(40), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", StringTuple(), nullable=False),
    Column("search_text", Text, nullable=False),
    Column("latest", Integer),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("project", "name"),
)

dataset_tags = Table(
    "dataset_tags",
    registry_metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("tag", String(200), nullable=False, index=True),
    PrimaryKeyConstraint("dataset_id", "tag"),
)

dataset_contents = Table(
    "dataset_contents",
    registry_metadata,
    Column("digest", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
)

dataset_versions = Table(
    "dataset_versions",
    registry_metadata,
    Column("id", String(40), primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", ForeignKey("dataset_contents.digest", ondelete="RESTRICT"), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("format", String(40), nullable=False),
    Column("schema", DataclassJson(DatasetSchema), nullable=False),
    Column("description", Text, nullable=False),
    Column("source", DataclassJson(dict[str, str]), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("created_by", Text, nullable=False),
    UniqueConstraint("dataset_id", "number"),
    UniqueConstraint("dataset_id", "digest"),
)
