"""What another system's object carries that ours does not model."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """JSON under (kind, project, name), with tags."""

    kind: str
    project: str
    name: str
    content: dict[str, Any]
    created_at: datetime
    modified_at: datetime
    tags: dict[str, str] = field(default_factory=dict)


class DocumentOrder(StrEnum):
    """By what a list of documents is sorted."""

    NAME = "name"
    CREATED = "created"
    MODIFIED = "modified"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """Which documents of a kind and project are wanted; what is None or empty does not choose.

    Attributes:
        name_contains: part of the name.
        tags: these tags with these values.
        created_after: and the other three: moments, exclusive.
    """

    name_contains: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None
