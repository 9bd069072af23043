"""The demand file: the gateway writes what it is asked for, control reads it, and each goes on without the other.

A file and not a message: when control is down, the requests that wait for a replica are still told of when it is back.
"""

import os
from pathlib import Path

import msgspec

from modelyard.types.planning import DemandTable

POLL_SECONDS = 0.05
"""How often control looks for a new file: a request to an idle endpoint waits this long at most before it is heard."""

_decoder = msgspec.json.Decoder(DemandTable)


def write_demand(path: Path, table: DemandTable) -> None:
    """Replace the file; readers see the old one or the new one.

    Unlike other files it is not forced to the disk, which takes milliseconds on the gateway's event loop: after a power
    cut there is nobody left who waits.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(table))
    temporary.replace(path)


class DemandFollower:
    """Reads the file when it has changed. Used from one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._last = DemandTable(written_at=0.0)

    def poll(self) -> bool:
        """Look; True if there is a new table, which is then the `last` one.

        A damaged file is none: the next second has another.
        """
        try:
            stat = self._path.stat()
            identity = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if identity == self._seen:
                return False
            self._last = _decoder.decode(self._path.read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return False
        self._seen = identity
        return True

    @property
    def last(self) -> DemandTable:
        """The newest table; an empty one if there was none yet."""
        return self._last
