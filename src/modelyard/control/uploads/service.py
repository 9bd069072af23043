"""Rules of uploads.

A piece is an object of its own, written before the row that counts it: what `offset` covers is stored, whatever is
killed at whatever moment. A piece without a row (the process died in between) is removed with its upload.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from modelyard.control.uploads.errors import (
    UploadIncompleteError,
    UploadNotFoundError,
    UploadOffsetMismatchError,
    UploadTooLargeError,
)
from modelyard.control.uploads.repository import UploadRepository
from modelyard.errors import InternalError, UnavailableError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.storage.objects import ObjectStore
from modelyard.types.uploads import FetchedContent, Upload

ABANDONED_AFTER = timedelta(hours=24)
USED_FOR = timedelta(hours=1)
"""How long an upload stays after its content became a version: repeating that request then finds it again."""
_SWEEP = 20


class UploadService:
    """Takes content in pieces and hands it out whole. Safe from any thread and from several processes.

    Args:
        database: of the registry.
        repository: the SQL.
        creations: idempotency keys.
        objects: where pieces are kept, under "uploads/<id>/".
        clock: for expiry.
        max_bytes: largest upload.
    """

    def __init__(
        self,
        database: Database,
        repository: UploadRepository,
        creations: Creations,
        objects: ObjectStore,
        clock: Clock,
        max_bytes: int,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._objects = objects
        self._clock = clock
        self._max_bytes = max_bytes

    def create(
        self, project: str, filename: str, size_bytes: int | None, created_by: str, creation: Creation | None
    ) -> Upload:
        """An upload without content yet. Abandoned ones make room first.

        Raises:
            UploadTooLargeError: more bytes announced than an upload may have.
        """
        self._check_size(size_bytes or 0)
        self.expire_abandoned(_SWEEP)
        now = self._clock.now()
        upload = Upload(
            project=project,
            id=new_id("upload"),
            filename=filename,
            size_bytes=size_bytes,
            offset=0,
            created_at=now,
            expires_at=now + ABANDONED_AFTER,
            created_by=created_by,
        )
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return self._found(connection, project, made)
            self._repository.insert(connection, upload)
            self._creations.record(connection, creation, upload.id)
        return upload

    def get(self, project: str, upload_id: str) -> Upload:
        """An upload.

        Raises:
            UploadNotFoundError: none of this id in this project, or expired.
        """
        with self._database.read() as connection:
            return self._found(connection, project, upload_id)

    def check_append(self, project: str, upload_id: str, offset: int, size_bytes: int = 0) -> Upload:
        """The upload, if a piece of `size_bytes` may follow at `offset`.

        Raises:
            UploadNotFoundError: as `get`.
            UploadOffsetMismatchError: the stored content ends elsewhere; the hint says where.
            UploadTooLargeError: the piece goes beyond the limit or the announced size.
        """
        with self._database.read() as connection:
            upload = self._found(connection, project, upload_id)
        self._check_piece(upload, offset, size_bytes)
        return upload

    def append(self, project: str, upload_id: str, offset: int, data: bytes) -> Upload:
        """Store a piece; once this returns it is kept.

        Raises:
            UploadNotFoundError, UploadOffsetMismatchError, UploadTooLargeError: as `check_append`.
        """
        upload = self.check_append(project, upload_id, offset, len(data))
        if not data:
            return upload
        # Two clients may send the same piece at once: each writes an object of its own, one of them is counted.
        key = f"uploads/{upload_id}/{offset:020d}-{os.urandom(6).hex()}"
        self._objects.put_stream(key, iter((data,)))
        try:
            with self._database.transaction() as connection:
                upload = self._found(connection, project, upload_id, is_locked=True)
                self._check_piece(upload, offset, len(data))
                grown = replace(upload, offset=offset + len(data), expires_at=self._clock.now() + ABANDONED_AFTER)
                self._repository.add_part(connection, upload_id, offset, len(data), key)
                self._repository.advance(connection, upload_id, grown.offset, grown.expires_at)
        except (UploadNotFoundError, UploadOffsetMismatchError, UploadTooLargeError):
            with suppress(UnavailableError):  # expiry removes it as well
                self._objects.delete(key)
            raise
        return grown

    def fetch(self, project: str, upload_id: str, target: Path) -> FetchedContent:
        """Write the whole content to the local file `target`.

        Raises:
            UploadNotFoundError: as `get`.
            UploadIncompleteError: announced bytes are missing.
        """
        with self._database.read() as connection:
            upload = self._found(connection, project, upload_id)
            keys = self._repository.part_keys(connection, upload_id)
        if upload.offset < (upload.size_bytes or 0):
            raise UploadIncompleteError(
                f"Upload '{upload_id}' has {upload.offset:,} of {upload.size_bytes:,} bytes",
                hint=f"Send the rest: PATCH it with the header Upload-Offset: {upload.offset}.",
                field="upload",
            )
        digest = hashlib.sha256()
        with target.open("wb") as file:
            for key in keys:
                for chunk in self._objects.stream(key):
                    digest.update(chunk)
                    file.write(chunk)
            size_bytes = file.tell()
        if size_bytes != upload.offset:
            raise InternalError(
                f"Upload '{upload_id}' lost content: {size_bytes:,} of {upload.offset:,} bytes are there"
            )
        return FetchedContent(digest=digest.hexdigest(), size_bytes=size_bytes, filename=upload.filename)

    def release(self, project: str, upload_id: str) -> None:
        """Its content became a version: keep it only for a while. No effect if it is gone."""
        with self._database.transaction() as connection:
            upload = self._repository.get(connection, project, upload_id, is_locked=True)
            until = self._clock.now() + USED_FOR
            if upload is not None and upload.expires_at > until:
                self._repository.advance(connection, upload_id, upload.offset, until)

    def delete(self, project: str, upload_id: str) -> None:
        """Remove an upload.

        Raises:
            UploadNotFoundError: as `get`.
        """
        with self._database.transaction() as connection:
            upload = self._found(connection, project, upload_id, is_locked=True)
            self._repository.advance(connection, upload_id, upload.offset, self._clock.now())
        self._purge(upload_id)

    def expire_abandoned(self, limit: int = 1_000) -> int:
        """Remove uploads that nobody touched for 24 hours, or that were used an hour ago; how many there were."""
        with self._database.read() as connection:
            expired = self._repository.expired(connection, self._clock.now(), limit)
        for upload_id in expired:
            self._purge(upload_id)
        return len(expired)

    def _purge(self, upload_id: str) -> None:
        """Objects first: if this is killed half-way, the row is still there and expired, and the next sweep goes on."""
        for info in list(self._objects.list(f"uploads/{upload_id}")):
            self._objects.delete(info.key)
        with self._database.transaction() as connection:
            self._repository.delete(connection, upload_id)

    def _found(self, connection: Connection, project: str, upload_id: str, *, is_locked: bool = False) -> Upload:
        upload = self._repository.get(connection, project, upload_id, is_locked=is_locked)
        if upload is None or upload.expires_at <= self._clock.now():
            raise UploadNotFoundError(
                f"There is no upload '{upload_id[:60]}' in project '{project}'",
                hint="It may have expired (24 hours without a new piece); start a new one.",
                field="upload",
            )
        return upload

    def _check_piece(self, upload: Upload, offset: int, size_bytes: int) -> None:
        if offset != upload.offset:
            raise UploadOffsetMismatchError(
                f"The piece starts at byte {offset:,}, the stored content ends at byte {upload.offset:,}",
                hint=f"Go on from there: send the header Upload-Offset: {upload.offset}.",
                field="Upload-Offset",
            )
        if upload.size_bytes is not None and offset + size_bytes > upload.size_bytes:
            raise UploadTooLargeError(
                f"The upload was announced with {upload.size_bytes:,} bytes; this piece makes it "
                f"{offset + size_bytes:,}",
                hint="Start a new upload with the right size_bytes, or without one.",
            )
        self._check_size(offset + size_bytes)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise UploadTooLargeError(
                f"An upload of {size_bytes:,} bytes is over the limit of {self._max_bytes:,}",
                hint="Split the data, or raise the setting max_upload_bytes.",
                field="size_bytes",
            )
