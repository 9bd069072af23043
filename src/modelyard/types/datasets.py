"""Datasets and their immutable versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class DatasetFormat(StrEnum):
    """How the content is stored. IMAGE_FOLDER is a zip with one folder per class; NPZ holds `images` and `labels`."""

    CSV = "csv"
    PARQUET = "parquet"
    NPZ = "npz"
    IMAGE_FOLDER = "image-folder"


class ColumnKind(StrEnum):
    """What a column holds, as inferred from its content."""

    NUMBER = "number"
    CATEGORY = "category"
    TEXT = "text"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One inferred column. `note` says what was odd ("93 % of the values are numbers stored as text")."""

    name: str
    kind: ColumnKind
    missing: int = 0
    distinct: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    examples: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSchema:
    """What is in a dataset version: rows, columns, and for images their shape and classes."""

    rows: int
    columns: tuple[Column, ...]
    image_shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A named collection of versions. `version` is the ETag, `latest` the newest dataset version number."""

    project: str
    name: str
    description: str
    tags: tuple[str, ...]
    latest: int | None
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """Immutable. `digest` is the SHA-256 (hex) of the content; equal content gives the same version again."""

    project: str
    dataset: str
    number: int
    digest: str
    size_bytes: int
    format: DatasetFormat
    schema: DatasetSchema
    description: str
    source: dict[str, str] = field(default_factory=dict)
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDraft:
    """What is to become the next version of a dataset: a local file, and what is said of it."""

    dataset: str
    content: Path
    format: DatasetFormat
    description: str = ""
    source: Mapping[str, str] = field(default_factory=dict)
