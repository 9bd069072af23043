"""The routing table as a file: control writes it, every gateway follows it.

A writer that replaces a replica keeps the old one in the table until the new one is ready, and lets
FOLLOW_SECONDS pass between taking a replica out and stopping it. A gateway finishes what a removed replica holds.
"""

from pathlib import Path

import msgspec

from modelyard.dataplane.errors import RoutingTableInvalidError
from modelyard.kit.files import write_atomic
from modelyard.types.routing import RoutingTable

POLL_SECONDS = 0.05
"""How often a gateway looks for a new table."""

FOLLOW_SECONDS = 0.25
"""After this long every gateway on this machine follows a table that was written."""

_decoder = msgspec.json.Decoder(RoutingTable)


def read_table(path: Path) -> RoutingTable:
    """The table in `path`.

    Raises:
        FileNotFoundError: none was written yet.
        RoutingTableInvalidError: the file is no routing table.
    """
    content = path.read_bytes()
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RoutingTableInvalidError(
            f"'{path}' is no routing table: {error}", hint="Control writes it anew at its next change or start."
        ) from error


def write_table(path: Path, table: RoutingTable) -> None:
    """Replace the table; readers see the old one or the new one, never a part. Private: it names token digests."""
    write_atomic(path, msgspec.json.encode(table), mode=0o600)


class TableFollower:
    """Says when the table in a file has changed. Looks at the file's identity first, so that asking costs 2 us."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def poll(self) -> RoutingTable | None:
        """The table if it is another one than at the last call that returned or raised for it, else None.

        Raises:
            RoutingTableInvalidError: there is a new one and it is damaged; raised once for each such file.
            OSError: there is one and it cannot be read now.
        """
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        identity = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if identity == self._seen:
            return None
        self._seen = identity
        try:
            return read_table(self._path)
        except OSError as error:
            self._seen = None  # it is read again: the next call may find it, or a file descriptor that is free
            if isinstance(error, FileNotFoundError):
                return None
            raise
