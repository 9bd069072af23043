"""Uploads: content on its way in, before it becomes a dataset or model version."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Content that arrives in pieces.

    `offset` bytes are stored: the next piece starts there. `size_bytes` is what was announced, null if nothing was.
    After `expires_at` it is removed; every piece moves that moment.
    """

    project: str
    id: str
    filename: str
    size_bytes: int | None
    offset: int
    created_at: datetime
    expires_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedContent:
    """An upload's whole content as it was written to a local file: its SHA-256 (hex) and size."""

    digest: str
    size_bytes: int
    filename: str
