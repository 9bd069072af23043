"""Small files that one process writes again and again, and that tell their readers whether that process still lives.

The writer holds a lock on the newest of them, which the kernel takes back however the process ends. So what a dead
process said last can be told from what a living one says, without pids, clocks or heartbeats.
"""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple


class LivingFile:
    """The writer's side; for one thread. The file stays when the writer closes or dies, but then it is not alive.

    It is not forced to the disk, which takes milliseconds that an event loop has not: after a power cut there is nobody
    left who would read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def write(self, content: bytes) -> None:
        """Replace the file; readers see the old one or the new one.

        Raises:
            OSError: it cannot be written; the old one stays.
        """
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # nobody else knows it yet
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(content)
            temporary.replace(self._path)
        except OSError:
            os.close(descriptor)
            raise
        self.close()
        self._descriptor = descriptor

    def close(self) -> None:
        """Let the file be that of a dead writer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Reading(NamedTuple):
    """A file's content, and whether its writer lives."""

    content: bytes
    is_alive: bool


def read_living(path: Path | str) -> Reading:
    """The file as it is now.

    Raises:
        OSError: there is none.
    """
    with Path(path).open("rb") as file:
        return Reading(file.read(), _is_locked(file.fileno()))


def is_alive(path: Path | str) -> bool:
    """True if the writer of this file lives; takes 10 us."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return _is_locked(descriptor)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: readers do not take each other for a writer
    except BlockingIOError:
        return True
    return False
