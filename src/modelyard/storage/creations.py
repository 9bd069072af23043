"""Idempotent creation: the key of a request is stored in the same transaction as what the request made.

So a repeated request finds what the first one made, or nothing at all: there is no moment in between.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, DateTime, String, Table, delete, func, insert, select

from modelyard.errors import ConflictError
from modelyard.storage.metadata import common_metadata

creation_keys = Table(
    "creation_keys",
    common_metadata,
    Column("key", String(64), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("resource_id", String(200), nullable=False),
    Column("created_at", DateTime, nullable=False, server_default=func.current_timestamp()),
)


class IdempotencyKeyReusedError(ConflictError):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Creation:
    """Who asks to create what, once: `key` = SHA-256 of principal, route and the client's Idempotency-Key."""

    key: str
    request_digest: str


class Creations:
    """The table of keys. Call `replay` before and `record` after the creation, on one writing connection."""

    def replay(self, connection: Connection, creation: Creation | None) -> str | None:
        """The id that the first request with this key made, or None if this is the first (or carries no key).

        Raises:
            IdempotencyKeyReusedError: the key was used with a different request.
        """
        if creation is None:
            return None
        if connection.dialect.name == "postgresql":  # the second of two equal requests waits for the first one's commit
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(creation.key, 0))))
        row = connection.execute(
            select(creation_keys.c.request_digest, creation_keys.c.resource_id).where(
                creation_keys.c.key == creation.key
            )
        ).one_or_none()
        if row is None:
            return None
        if row.request_digest != creation.request_digest:
            raise IdempotencyKeyReusedError(
                "This Idempotency-Key was used before with a different request",
                hint="Use a new key for each new request, and the same key only to repeat one.",
            )
        return str(row.resource_id)

    def prune(self, connection: Connection, before: datetime) -> None:
        """Forget keys that were recorded before this moment: nobody repeats a request after a week."""
        connection.execute(delete(creation_keys).where(creation_keys.c.created_at < before.replace(tzinfo=None)))

    def record(self, connection: Connection, creation: Creation | None, resource_id: str) -> None:
        """Remember that this key made `resource_id`; commits with the caller's transaction."""
        if creation is not None:
            connection.execute(
                insert(creation_keys).values(
                    key=creation.key, request_digest=creation.request_digest, resource_id=resource_id
                )
            )
