"""Locks that the kernel lets go of when their holder dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from modelyard.errors import ConflictError


class ResourceBusyError(ConflictError):
    """Another process holds the lock."""

    code = "resource_busy"


class FileLock:
    """An exclusive lock on a file, held by this process while the context is open."""

    def __init__(self, path: Path, message: str, hint: str) -> None:
        self._path = path
        self._message = message
        self._hint = hint
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            ResourceBusyError: another process holds it; its pid is in the message.
        """
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise ResourceBusyError(f"{self._message} (process {holder}, lock {self._path})", hint=self._hint) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        os.close(self._descriptor)
