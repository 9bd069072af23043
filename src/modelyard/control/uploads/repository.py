"""All SQL of uploads."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from modelyard.control.uploads.tables import upload_parts, uploads
from modelyard.types.uploads import Upload


class UploadRepository:
    """Rows of `uploads` and `upload_parts`."""

    def get(self, connection: Connection, project: str, upload_id: str, *, is_locked: bool = False) -> Upload | None:
        """An upload; `is_locked` holds others off until the transaction ends."""
        statement = select(uploads).where(uploads.c.id == upload_id, uploads.c.project == project)
        if is_locked:
            statement = statement.with_for_update()  # PostgreSQL; SQLite's transactions are alone anyway
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else Upload(**row)

    def insert(self, connection: Connection, upload: Upload) -> None:
        """Add an upload."""
        connection.execute(insert(uploads).values(asdict(upload)))

    def add_part(self, connection: Connection, upload_id: str, offset: int, size_bytes: int, key: str) -> None:
        """Record a stored piece."""
        connection.execute(
            insert(upload_parts).values(upload_id=upload_id, offset=offset, size_bytes=size_bytes, key=key)
        )

    def advance(self, connection: Connection, upload_id: str, offset: int, expires_at: datetime) -> None:
        """Set where the stored content ends, and how long it is kept."""
        connection.execute(
            update(uploads).where(uploads.c.id == upload_id).values(offset=offset, expires_at=expires_at)
        )

    def part_keys(self, connection: Connection, upload_id: str) -> list[str]:
        """Object keys of the pieces, in order."""
        statement = select(upload_parts.c.key).where(upload_parts.c.upload_id == upload_id)
        return list(connection.execute(statement.order_by(upload_parts.c.offset)).scalars())

    def expired(self, connection: Connection, now: datetime, limit: int) -> list[str]:
        """Ids of uploads whose time is over."""
        statement = select(uploads.c.id).where(uploads.c.expires_at <= now).order_by(uploads.c.expires_at)
        return list(connection.execute(statement.limit(limit)).scalars())

    def delete(self, connection: Connection, upload_id: str) -> None:
        """Remove an upload and its pieces' rows."""
        connection.execute(delete(uploads).where(uploads.c.id == upload_id))
